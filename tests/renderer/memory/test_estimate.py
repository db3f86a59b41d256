"""The estimate of a GPU's memory: exact where networks and caches can be counted."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from renders.live_bytes import LiveBytes
from rushes.memory.estimate import (
    MemoryEstimate,
    block_parameters,
    dit_parameters,
    estimate_memory,
    vace_parameters,
)
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.ring_cache import RingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.dit import CausalDit
from rushes.models.stream_vae import StreamVAE
from rushes.models.text_encoder import TextEncoderConfig
from rushes.models.tiny_vae import TinyVAE
from rushes.models.vace import VaceBranch
from rushes.presets.kinds import VaeType
from rushes.presets.preset import load_preset
from rushes.weights.autoencoders import empty_autoencoder, tiny_vae_config, vae_config
from rushes.weights.networks import dit_config

SMALL = load_preset("streamdiffusionv2-1.3b")
LARGE = load_preset("streamdiffusionv2-14b")
MIB = 2**20


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def estimate(preset: str = "streamdiffusionv2-1.3b", **options: object) -> MemoryEstimate:
    return estimate_memory(load_preset(preset), 832, 480, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("preset", "parameters", "in_a_block"),
    [(SMALL, 1_418_996_800, 46_440_704), (LARGE, 14_288_491_584, 351_394_304)],
    ids=["1.3B", "14B"],
)
def test_parameters_are_those_of_the_public_networks(
    preset: object, parameters: int, in_a_block: int
) -> None:
    dit = preset.dit  # type: ignore[attr-defined]
    assert (dit_parameters(dit), block_parameters(dit)) == (parameters, in_a_block)


@pytest.mark.parametrize("preset", [SMALL, LARGE, load_preset("tiny")], ids=lambda p: p.name)
def test_parameters_are_those_of_our_networks(preset: object) -> None:
    assert isinstance(preset, type(SMALL))
    with torch.device("meta"):
        assert dit_parameters(preset.dit) == count(CausalDit(dit_config(preset)))
        assert vace_parameters(preset.dit) == count(VaceBranch(dit_config(preset)))


def test_weights_of_every_autoencoder_are_counted() -> None:
    with torch.device("meta"):
        for vae_type in ("wan", "lightvae"):
            assert estimate(vae_type=vae_type).vae == 2 * count(
                StreamVAE(vae_config(SMALL, vae_type))
            )
        tiny = count(TinyVAE(tiny_vae_config(SMALL, "tae")))
    assert estimate(vae_type="tae").vae == estimate(vae_type="lighttae").vae == 2 * tiny


def test_the_text_encoder_counts_as_in_its_fp8_file() -> None:
    assert estimate().text_encoder == pytest.approx(6_731_333_792, rel=0.001)
    assert estimate(text_encoder_bytes=7).text_encoder == 7
    assert TextEncoderConfig() == TextEncoderConfig(**SMALL.text_encoder.model_dump())


@pytest.mark.parametrize(
    ("preset", "size", "mebibytes"),
    [
        (SMALL, (832, 480), 1645),
        (SMALL, (512, 512), 1080),
        (LARGE, (832, 480), 7312),
        (LARGE, (512, 512), 4800),
    ],
)
def test_the_kv_cache_has_the_known_size(
    preset: object, size: tuple[int, int], mebibytes: int
) -> None:
    assert isinstance(preset, type(SMALL))
    found = estimate_memory(preset, *size)
    assert found.kv_cache / MIB == pytest.approx(mebibytes, abs=1)
    config = dit_config(preset)
    cache = RollingKVCache(
        SlotSizes(
            num_blocks=config.num_layers,
            num_heads=config.num_heads,
            head_dim=config.head_dim,
            frame_tokens=size[0] * size[1] // 256,
            window=6,
            dtype=torch.bfloat16,
            device="meta",
        ),
        sinks=3,
    )
    assert found.kv_cache == cache.frames.numel() * 2


def test_a_pair_of_chunks_needs_a_slot_and_a_row_more() -> None:
    slot = estimate().kv_cache // 6
    assert estimate(vae_type="wan").pairing == slot  # the autoencoder's workspace is larger
    assert estimate(vae_type="tae", value_bytes=2).pairing >= slot
    assert estimate(rows=2).pairing == estimate(takes=2).pairing == 0
    assert estimate("longlive").pairing == 0


@pytest.mark.parametrize("rows", [2, 4])
def test_rows_of_a_stream_batch_have_a_window_each(rows: int) -> None:
    sizes = SlotSizes(
        num_blocks=30,
        num_heads=12,
        head_dim=128,
        frame_tokens=1560,
        window=6,
        rows=rows,
        dtype=torch.bfloat16,
        device="meta",
    )
    frames = RingKVCache(sizes, sinks=3).slots.frames
    assert estimate(rows=rows).kv_cache == frames.numel() * 2


def test_caches_for_prompts_have_the_known_size() -> None:
    assert estimate().prompt_keys / MIB == 90
    assert estimate("streamdiffusionv2-14b").prompt_keys / MIB == 400


@pytest.mark.parametrize(("vae_type", "mebibytes"), [("wan", 1069 + 1801), ("lightvae", 271 + 451)])
def test_caches_of_the_autoencoders_have_the_known_size(vae_type: str, mebibytes: int) -> None:
    assert estimate(vae_type=vae_type).vae_caches / MIB == pytest.approx(mebibytes, abs=1.5)


@pytest.mark.parametrize("vae_type", ["wan", "tae"])
def test_caches_of_the_autoencoders_are_those_that_they_fill(vae_type: VaeType) -> None:
    """The formulas hold for two residual blocks a level, as all public files have."""
    narrow_vae = {"dim": 4, "tiny_channels": 8}
    narrow = SMALL.model_copy(update={"vae": SMALL.vae.model_copy(update=narrow_vae)})
    vae = empty_autoencoder(narrow, vae_type)
    encoder_cache, decoder_cache = FeatureCache(), FeatureCache()
    with torch.device("meta"), torch.inference_mode():
        for frames, latents in ((5, 2), (4, 1), (4, 1)):
            vae.to("meta").encode(torch.zeros(1, frames, 3, 32, 48), encoder_cache, normalise=False)
            vae.decode(torch.zeros(1, latents, 16, 4, 6), decoder_cache)
    counted = estimate_memory(narrow, 48, 32, value_bytes=4, vae_type=vae_type)
    buffers = encoder_cache.num_bytes + decoder_cache.num_bytes
    assert counted.vae_caches + counted.vae_rooms == buffers
    assert counted.at_ease >= counted.paired + counted.vae_rooms


@pytest.mark.parametrize("keeps_room", [True, False])
@pytest.mark.parametrize("vae_type", ["wan", "lightvae"])
def test_the_workspace_covers_what_a_call_holds_beside_its_caches(
    vae_type: VaeType, keeps_room: bool
) -> None:
    vae = empty_autoencoder(SMALL, vae_type).to("meta", torch.bfloat16)
    assert isinstance(vae, StreamVAE)
    vae.keeps_room = keeps_room
    encoder_cache, decoder_cache = FeatureCache(), FeatureCache()
    pixels = torch.empty(1, 5, 3, 480, 832, device="meta", dtype=torch.bfloat16)
    latents = torch.empty(1, 2, 16, 60, 104, device="meta", dtype=torch.bfloat16)
    with torch.inference_mode():
        vae.encode(pixels, encoder_cache, normalise=False)
        vae.decode(latents, decoder_cache)
        with LiveBytes() as encoding:
            vae.encode(pixels[:, 1:], encoder_cache, normalise=False)
        with LiveBytes() as decoding:
            vae.decode(latents[:, 1:], decoder_cache)
    measured = max(encoding.peak, decoding.peak)
    assert measured > 50 * MIB
    assert estimate(vae_type=vae_type).workspace >= measured


def test_fp8_halves_the_weights_and_nothing_else() -> None:
    plain, narrow = estimate(), estimate(quantise="fp8")
    assert 0.5 < narrow.dit / plain.dit < 0.53
    assert narrow.kv_cache == plain.kv_cache
    assert narrow.rendering < plain.rendering


def test_everything_grows_with_the_width_of_a_number() -> None:
    plain, wide = estimate(), estimate(value_bytes=4)
    for name in ("dit", "vae", "kv_cache", "prompt_keys", "vae_caches"):
        assert getattr(wide, name) == 2 * getattr(plain, name)


def test_vace_needs_more() -> None:
    assert estimate(with_vace=True).rendering > estimate().rendering + 1e9


def test_totals_are_part_of_the_data() -> None:
    data = estimate().to_dict()
    assert data["rendering"] > data["dit"] + data["kv_cache"]
    assert data["encoding_prompts"] > data["text_encoder"]


def test_no_network_library_is_imported() -> None:
    code = "import rushes.memory.memory_plan, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
