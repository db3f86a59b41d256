"""Random weights: the same for a seed, and accepted wherever the public ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoTokenizer

from renders.tiny_models import DIT, VAE, normal, seeded, tiny_vae
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.checkpoint import StateDict, load_strictly, read_state_dict
from rushes.models.dit import CausalDit
from rushes.models.stream_vae import StreamVAE
from rushes.models.text_encoder import TextEncoderConfig, load_text_network
from rushes.models.tiny_vae import TinyVaeConfig
from rushes.weights.random_weights import (
    DIT_PREFIX,
    random_dit,
    random_text_encoder,
    random_tiny_vae,
    random_vace,
    random_vae,
    save_weights,
    write_byte_tokenizer,
)

TEXT = TextEncoderConfig(vocab_size=300, dim=8, ffn_dim=12, num_heads=2, head_dim=4, num_layers=2)
TINY_VAE = TinyVaeConfig(encoder_channels=2, decoder_channels=(8, 4, 2, 2))
PARTS: dict[str, Callable[[torch.Generator], StateDict]] = {
    "dit": lambda generator: random_dit(DIT, generator),
    "vae": lambda generator: random_vae(VAE, generator),
    "tiny vae": lambda generator: random_tiny_vae(TINY_VAE, generator),
    "vace": lambda generator: random_vace(DIT, generator),
    "text encoder": lambda generator: random_text_encoder(TEXT, generator),
}
every_part = pytest.mark.parametrize("part", PARTS)


def saved(folder: Path, part: str, seed: int, ending: str = ".pt") -> Path:
    path = folder / f"{part}-{seed}{ending}"
    save_weights(path, PARTS[part](seeded(seed)))
    return path


@every_part
def test_the_same_seed_gives_the_same_bytes(part: str, tmp_path: Path) -> None:
    first = saved(tmp_path / "first", part, 7).read_bytes()
    assert saved(tmp_path / "again", part, 7).read_bytes() == first


@every_part
def test_another_seed_gives_other_values_under_the_same_names(part: str) -> None:
    first, other = PARTS[part](seeded(1)), PARTS[part](seeded(2))
    assert first.keys() == other.keys()
    assert any(not torch.equal(first[name], other[name]) for name in first)


@every_part
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_weights_come_back_from_a_file_unchanged(part: str, ending: str, tmp_path: Path) -> None:
    wanted = PARTS[part](seeded(7))
    loaded = read_state_dict(saved(tmp_path, part, 7, ending))
    assert loaded.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_a_container_wraps_the_weights_as_its_publisher_does(tmp_path: Path) -> None:
    weights = PARTS["dit"](seeded())
    save_weights(tmp_path / "model.pt", weights, "generator", DIT_PREFIX)
    raw = torch.load(tmp_path / "model.pt", weights_only=True)
    assert list(raw) == ["generator"]
    assert all(name.startswith("model.") for name in raw["generator"])
    assert read_state_dict(tmp_path / "model.pt").keys() == weights.keys()


@pytest.mark.parametrize(
    ("part", "build"),
    [("dit", lambda: CausalDit(DIT)), ("vae", lambda: StreamVAE(VAE))],
    ids=["dit", "vae"],
)
def test_a_network_takes_its_random_weights_strictly(
    part: str, build: Callable[[], nn.Module]
) -> None:
    with torch.device("meta"):
        network = build()
    load_strictly(network, PARTS[part](seeded()), part)
    assert not any(parameter.is_meta for parameter in network.parameters())


def test_the_text_encoder_takes_its_random_weights_strictly() -> None:
    network = load_text_network(TEXT, PARTS["text encoder"](seeded()), torch.float32, "random")
    assert not any(parameter.is_meta for parameter in network.parameters())


def test_making_them_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.randn(4)
    torch.manual_seed(3)
    for make in PARTS.values():
        make(seeded())
    assert torch.equal(torch.randn(4), wanted)


@torch.inference_mode()
def test_signals_keep_about_their_size() -> None:
    """Else pictures would be of one colour, and tests on them would see nothing."""
    frames = tiny_vae().decode(normal(1, 3, 16, 4, 4), FeatureCache())
    assert 0.05 < frames.std() < 5


# --- tokenizer -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "umt5-xxl"
    write_byte_tokenizer(folder)
    return folder


@pytest.mark.parametrize("text", ["a boat", "", "Füße 船 🚤", "</s>", "  two  blanks", "<pad>x"])
def test_texts_come_back_from_the_tokenizer(text: str, tokenizer_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
    ids = tokenizer(text, add_special_tokens=True).input_ids
    assert ids[-1] == 1
    assert tokenizer.decode(ids[:-1], skip_special_tokens=False) == text


def test_special_tokens_have_the_numbers_of_umt5(tokenizer_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
    ids = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    assert ids == (0, 1, 2)
    assert len(tokenizer) == 259


def test_padding_and_truncation_are_on_the_right(tokenizer_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
    settings = {"padding": "max_length", "truncation": True, "max_length": 6}
    short, long = (tokenizer(text, **settings) for text in ("ab", "abcdefghij"))
    assert short.attention_mask == [1, 1, 1, 0, 0, 0]
    assert short.input_ids[2:] == [1, 0, 0, 0]
    assert long.attention_mask == [1] * 6
    assert tokenizer.decode(long.input_ids[:5]) == "abcde"
    assert long.input_ids[5] == 1


def test_the_tokenizer_files_are_the_same_each_time(tmp_path: Path, tokenizer_folder: Path) -> None:
    write_byte_tokenizer(tmp_path / "again")
    for file in tokenizer_folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
