"""The text encoder: public weights and no others, prompts to zero-padded embeddings."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from renders.tiny_models import seeded
from rushes.errors import CheckpointError
from rushes.models.cast_linear import CastLinear
from rushes.models.checkpoint import StateDict
from rushes.models.clean_prompt import clean_prompt
from rushes.models.text_encoder import (
    PUBLIC_NAMES,
    TextEncoder,
    TextEncoderConfig,
    load_text_network,
    load_tokenizer,
)
from rushes.weights.random_weights import random_text_encoder, write_byte_tokenizer

CONFIG = TextEncoderConfig(
    vocab_size=300, dim=8, ffn_dim=12, num_heads=2, head_dim=6, num_layers=24
)
TEXT_LEN = 12


def public_shapes(config: TextEncoderConfig) -> dict[str, tuple[int, ...]]:
    """Return keys and shapes of ``models_t5_umt5-xxl-enc-bf16.pth`` at other sizes."""
    dim, inner, ffn = config.dim, config.num_heads * config.head_dim, config.ffn_dim
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (config.vocab_size, dim),
        "norm.weight": (dim,),
    }
    for index in range(config.num_layers):
        block = f"blocks.{index}"
        shapes |= {
            f"{block}.norm1.weight": (dim,),
            f"{block}.norm2.weight": (dim,),
            f"{block}.attn.q.weight": (inner, dim),
            f"{block}.attn.k.weight": (inner, dim),
            f"{block}.attn.v.weight": (inner, dim),
            f"{block}.attn.o.weight": (dim, inner),
            f"{block}.ffn.gate.0.weight": (ffn, dim),
            f"{block}.ffn.fc1.weight": (ffn, dim),
            f"{block}.ffn.fc2.weight": (dim, ffn),
            f"{block}.pos_embedding.embedding.weight": (32, config.num_heads),
        }
    return shapes


def weights() -> StateDict:
    return random_text_encoder(CONFIG, seeded())


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "umt5-xxl"
    write_byte_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tokenizer_folder: Path) -> TextEncoder:
    network = load_text_network(CONFIG, weights(), torch.float32, "random")
    return TextEncoder(network, load_tokenizer(tokenizer_folder), TEXT_LEN, torch.float32)


# --- weights -------------------------------------------------------------------------------------


def test_the_public_names_and_shapes_are_accepted() -> None:
    shapes = public_shapes(CONFIG)
    assert len(shapes) == 242
    state = {name: torch.ones(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}
    load_text_network(CONFIG, state, torch.float32, "public")


def test_the_sizes_by_default_are_those_of_the_public_file() -> None:
    shapes = public_shapes(TextEncoderConfig())
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 5_680_910_336


def test_random_weights_have_the_public_names_and_shapes() -> None:
    state = weights()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == public_shapes(CONFIG)
    assert {tensor.dtype for tensor in state.values()} == {torch.bfloat16}


LINEAR = [name for name in weights() if ".attn." in name or ".ffn." in name]


def scaled_repack() -> StateDict:
    """Return the weights as repacks with scaled fp8 have them: other names, a scale a tensor."""
    state: StateDict = {"scaled_fp8": torch.zeros(2), "spiece_model": torch.zeros(9).byte()}
    for name, tensor in weights().items():
        internal = name
        for public, renamed in PUBLIC_NAMES.items():
            internal = re.sub(f"^{public}$", renamed, internal)
        if name in LINEAR:
            scale = tensor.float().abs().max() / 448
            state[internal.replace(".weight", ".scale_weight")] = scale
            tensor = (tensor.float() / scale).to(torch.float8_e4m3fn)
        state[internal] = tensor
    return state


def outputs_of(state: StateDict) -> Tensor:
    network = load_text_network(CONFIG, state, torch.float32, "x")
    ids, mask = torch.tensor([[5, 6, 7, 1]]), torch.ones(1, 4, dtype=torch.int64)
    return TextEncoder(network, None, 4, torch.float32).embed(ids, mask)


def test_scaled_fp8_weights_compute_what_their_scales_say() -> None:
    state = scaled_repack()
    wide = {
        name: tensor.float() * state.get(name.replace(".weight", ".scale_weight"), torch.ones(()))
        for name, tensor in state.items()
        if name.endswith(".weight")
    }
    torch.testing.assert_close(outputs_of(state), outputs_of(wide), rtol=1e-4, atol=1e-4)
    assert not torch.equal(outputs_of(state), outputs_of(weights()))


@pytest.mark.parametrize("lacking", ["scale", "weight"])
def test_scales_and_weights_that_do_not_go_together_are_refused(lacking: str) -> None:
    state = scaled_repack()
    name = next(name for name in state if name.endswith(".scale_weight"))
    del state[name if lacking == "scale" else name.replace(".scale_weight", ".weight")]
    with pytest.raises(CheckpointError, match="do not go together"):
        load_text_network(CONFIG, state, torch.float32, "repack.safetensors")


def test_missing_and_unexpected_weights_are_named() -> None:
    state = weights()
    del state["blocks.3.attn.q.weight"]
    state["lm_head.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"missing: .*block\.3.*; unexpected: lm_head"):
        load_text_network(CONFIG, state, torch.float32, "file.pth")


def test_misshaped_weights_are_named() -> None:
    state = weights() | {"norm.weight": torch.zeros(9)}
    with pytest.raises(CheckpointError, match=r"mis-shaped: .*\[9\] instead of \[8\]"):
        load_text_network(CONFIG, state, torch.float32, "file.pth")


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float8_e4m3fn], ids=str)
def test_linear_layers_stay_narrow_and_compute_as_if_cast_before(stored: torch.dtype) -> None:
    assert len(LINEAR) == 168
    narrow = {n: t.to(stored) if n in LINEAR else t for n, t in weights().items()}
    wide = {name: tensor.float() for name, tensor in narrow.items()}
    networks = [load_text_network(CONFIG, s, torch.float32, "x") for s in (narrow, wide)]
    kept = [module.stored for module in networks[0].modules() if isinstance(module, CastLinear)]
    assert [tensor.dtype for tensor in kept] == [stored] * 168
    ids, mask = torch.tensor([[5, 6, 7, 1]]), torch.ones(1, 4, dtype=torch.int64)
    outputs = [TextEncoder(n, None, 4, torch.float32).embed(ids, mask) for n in networks]
    assert torch.equal(*outputs)


# --- prompts -------------------------------------------------------------------------------------


def embed(encoder: TextEncoder, *prompts: str) -> Tensor:
    return encoder.encode(prompts)


@pytest.mark.parametrize(("prompt", "tokens"), [("boat", 5), ("", 1), ("x" * 50, TEXT_LEN)])
def test_rows_beyond_the_tokens_of_a_prompt_are_zero(
    encoder: TextEncoder, prompt: str, tokens: int
) -> None:
    embedding = embed(encoder, prompt)
    assert embedding.shape == (1, TEXT_LEN, CONFIG.dim)
    assert embedding[0].any(dim=-1).tolist() == [True] * tokens + [False] * (TEXT_LEN - tokens)


def test_a_truncated_prompt_still_ends_with_the_end_token(encoder: TextEncoder) -> None:
    ids, mask = encoder.tokenize(["x" * 50])
    assert ids[0, -1] == 1
    assert mask.all()


def test_prompts_of_a_batch_do_not_influence_each_other(encoder: TextEncoder) -> None:
    together = embed(encoder, "a boat", "pond", "")
    alone = torch.cat([embed(encoder, prompt) for prompt in ("a boat", "pond", "")])
    torch.testing.assert_close(together, alone)


def test_the_order_of_words_matters(encoder: TextEncoder) -> None:
    first, second = embed(encoder, "ab"), embed(encoder, "ba")
    assert not torch.allclose(first.sum(1), second.sum(1))


def test_embeddings_have_the_dtype_that_is_computed_with(tokenizer_folder: Path) -> None:
    network = load_text_network(CONFIG, weights(), torch.bfloat16, "random")
    encoder = TextEncoder(network, load_tokenizer(tokenizer_folder), TEXT_LEN, torch.bfloat16)
    assert embed(encoder, "boat").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a\n\tboat \u3000 at sea ", "a boat at sea"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("\u201ccurly\u201d", '"curly"'),
        ("\ufb01re", "fire"),
        ("Keep The Case", "Keep The Case"),
        ("", ""),
    ],
)
def test_prompts_are_cleaned(text: str, cleaned: str) -> None:
    assert clean_prompt(text) == cleaned


def test_plain_prompts_are_cleaned_as_any_other() -> None:
    """Those of ASCII alone need no repair, which takes long to load; with a sign more they do."""
    letters = [chr(code) for code in range(0x20, 0x7F) if chr(code) != "&"] + ["\n", "\t"]
    draw = random.Random(0)
    for _ in range(200):
        text = "".join(draw.choices(letters, k=40))
        assert clean_prompt(text) == clean_prompt(text + "\u3000")


def test_prompts_that_are_alike_when_cleaned_have_one_embedding(encoder: TextEncoder) -> None:
    assert torch.equal(embed(encoder, " a  boat\n"), embed(encoder, "a boat"))


@pytest.mark.parametrize(
    "content",
    [{}, {"tokenizer.json": '{"version": "1.0", "mod'}, {"tokenizer.json": "{}"}],
    ids=["empty", "cut short", "other JSON"],
)
def test_a_folder_without_a_tokenizer_is_refused(content: dict[str, str], tmp_path: Path) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(CheckpointError, match="no usable tokenizer") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def sentencepiece_model(letters: str) -> bytes:
    """Return a ``spiece.model``: UMT5's first three tokens, a blank, and single letters."""
    model = pytest.importorskip("sentencepiece.sentencepiece_model_pb2").ModelProto()
    kinds = (("<pad>", 3), ("</s>", 3), ("<unk>", 2), ("\u2581", 1), *((c, 1) for c in letters))
    for text, kind in kinds:
        model.pieces.add(piece=text, score=-1.0, type=kind)
    model.trainer_spec.unk_id, model.trainer_spec.bos_id = 2, -1
    model.trainer_spec.eos_id, model.trainer_spec.pad_id = 1, 0
    model.normalizer_spec.add_dummy_prefix = True
    content: bytes = model.SerializeToString()
    return content


def test_a_tokenizer_json_alone_gives_the_same_tokens(
    tokenizer_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    network = load_text_network(CONFIG, weights(), torch.float32, "random")
    prompts = ["a boat", "", "x" * 50]
    both = [
        TextEncoder(network, load_tokenizer(folder), TEXT_LEN, torch.float32).tokenize(prompts)
        for folder in (tokenizer_folder, tmp_path)
    ]
    for first, second in zip(*both, strict=True):
        assert torch.equal(first, second)


def test_a_spiece_model_alone_will_do(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(sentencepiece_model("abot"))
    network = load_text_network(CONFIG, weights(), torch.float32, "random")
    encoder = TextEncoder(network, load_tokenizer(tmp_path), 8, torch.float32)
    ids, mask = encoder.tokenize(["boat", "oooooooooo"])
    assert ids.tolist() == [[3, 5, 6, 4, 7, 1, 0, 0], [3, 6, 6, 6, 6, 6, 6, 1]]
    assert mask.tolist() == [[1] * 6 + [0] * 2, [1] * 8]
