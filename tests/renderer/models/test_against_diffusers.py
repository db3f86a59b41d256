"""Our networks beside those of diffusers, an independent implementation, on the same weights."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from renders.tiny_models import (
    empty_cache,
    normal,
    prompt_keys,
    seeded,
    tiny_dit,
    tiny_vae,
)
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.rope import RotaryEmbedding
from rushes.models.stream_vae import LATENT_MEAN, LATENT_STD, StreamVAE, VaeConfig
from rushes.weights.random_weights import random_vae

diffusers = pytest.importorskip("diffusers")
conversion = pytest.importorskip("diffusers.loaders.single_file_utils")

# --- autoencoder ---------------------------------------------------------------------------------

VAE = VaeConfig(dim=8)
HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def our_vae() -> StreamVAE:
    return tiny_vae(VAE, seed=5)


@pytest.fixture(scope="module")
def their_vae() -> Any:
    vae = diffusers.AutoencoderKLWan(base_dim=VAE.dim)
    weights = conversion.convert_wan_vae_to_diffusers(random_vae(VAE, seeded(5)))
    vae.load_state_dict(weights, strict=True)
    return vae.eval()


@pytest.mark.parametrize("num_frames", [1, 5, 13])
@torch.inference_mode()
def test_a_clip_has_the_latents_of_diffusers(
    num_frames: int, our_vae: StreamVAE, their_vae: Any
) -> None:
    video = normal(1, num_frames, 3, HEIGHT, WIDTH).clamp(-1, 1)
    ours = our_vae.encode(video, FeatureCache(), normalise=False)
    theirs = their_vae.encode(video.transpose(1, 2)).latent_dist.mode().transpose(1, 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_latents", [1, 2, 4])
@torch.inference_mode()
def test_latents_have_the_frames_of_diffusers(
    num_latents: int, our_vae: StreamVAE, their_vae: Any
) -> None:
    latents = normal(1, num_latents, 16, HEIGHT // 8, WIDTH // 8)
    mean, std = (torch.tensor(values).view(1, 1, -1, 1, 1) for values in (LATENT_MEAN, LATENT_STD))
    ours = our_vae.decode(latents, FeatureCache()).clamp(-1, 1)
    theirs = their_vae.decode((latents * std + mean).transpose(1, 2)).sample.transpose(1, 2)
    assert ours.shape[1] == 4 * num_latents - 3
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_latent_statistics_are_those_of_diffusers(their_vae: Any) -> None:
    assert tuple(their_vae.config.latents_mean) == LATENT_MEAN
    assert tuple(their_vae.config.latents_std) == LATENT_STD


# --- transformer ---------------------------------------------------------------------------------

DIT = DitConfig(dim=48, ffn_dim=64, num_heads=2, num_layers=3, text_dim=20, text_len=7, freq_dim=16)
FRAMES, ROWS, COLUMNS = 3, 4, 5  # of tokens

# Diffusers embeds timesteps in float32, which puts its angles off by up to 6e-5.
FLOW_LIMITS: dict[str, Any] = {"rtol": 1e-5, "atol": 3e-5}

# Ours to theirs, in this order.
NAMES = {
    r"^time_embedding\.0": "condition_embedder.time_embedder.linear_1",
    r"^time_embedding\.2": "condition_embedder.time_embedder.linear_2",
    r"^text_embedding\.0": "condition_embedder.text_embedder.linear_1",
    r"^text_embedding\.2": "condition_embedder.text_embedder.linear_2",
    r"^time_projection\.1": "condition_embedder.time_proj",
    r"^head\.head": "proj_out",
    r"^head\.modulation": "scale_shift_table",
    r"\.modulation": ".scale_shift_table",
    r"\.self_attn": ".attn1",
    r"\.cross_attn": ".attn2",
    r"\.norm3\.": ".norm2.",
    r"\.o\.": ".to_out.0.",
    r"\.([qkv])\.": r".to_\1.",
    r"\.ffn\.0": ".ffn.net.0.proj",
    r"\.ffn\.2": ".ffn.net.2",
}


def their_name(name: str) -> str:
    for ours, theirs in NAMES.items():
        name = re.sub(ours, theirs, name)
    return name


@pytest.fixture(scope="module")
def our_dit() -> CausalDit:
    return tiny_dit(DIT, seed=6)


@pytest.fixture(scope="module")
def their_dit(our_dit: CausalDit) -> Any:
    dit = diffusers.WanTransformer3DModel(
        num_attention_heads=DIT.num_heads,
        attention_head_dim=DIT.head_dim,
        text_dim=DIT.text_dim,
        freq_dim=DIT.freq_dim,
        ffn_dim=DIT.ffn_dim,
        num_layers=DIT.num_layers,
    )
    weights = {their_name(name): tensor for name, tensor in our_dit.state_dict().items()}
    dit.load_state_dict(weights, strict=True)
    return dit.eval()


def our_flow(dit: CausalDit, latents: Tensor, timesteps: Tensor, prompt: Tensor) -> Tensor:
    """One chunk on an empty cache: full attention within it."""
    cache = empty_cache(DIT, frame_tokens=ROWS * COLUMNS, window=FRAMES, sinks=0)
    cache.begin_chunk(0, FRAMES)
    factors = RotaryEmbedding(DIT.head_dim).factors([0], FRAMES, ROWS, COLUMNS)
    flow: Tensor = dit(latents, timesteps, factors, cache, prompt_keys(dit, prompt))
    return flow


@pytest.mark.parametrize(
    "timesteps",
    [[1000.0] * FRAMES, [487.25] * FRAMES, [0.0] * FRAMES, [900.0, 500.0, 100.0]],
    ids=str,
)
@torch.inference_mode()
def test_a_chunk_has_the_flow_of_diffusers(
    timesteps: list[float], our_dit: CausalDit, their_dit: Any
) -> None:
    """Also with a timestep of its own for every frame, which diffusers takes for every token."""
    latents = normal(1, FRAMES, 16, 2 * ROWS, 2 * COLUMNS, seed=1)
    prompt = normal(1, DIT.text_len, DIT.text_dim, seed=2)
    ours = our_flow(our_dit, latents, torch.tensor([timesteps]), prompt)
    theirs = their_dit(
        latents.transpose(1, 2),
        torch.tensor(timesteps).repeat_interleave(ROWS * COLUMNS).unsqueeze(0),
        prompt,
        return_dict=False,
    )[0].transpose(1, 2)
    torch.testing.assert_close(ours, theirs, **FLOW_LIMITS)


@torch.inference_mode()
def test_one_timestep_for_all_is_the_ordinary_call_of_diffusers(
    our_dit: CausalDit, their_dit: Any
) -> None:
    latents = normal(1, FRAMES, 16, 2 * ROWS, 2 * COLUMNS, seed=3)
    prompt = normal(1, DIT.text_len, DIT.text_dim, seed=4)
    ours = our_flow(our_dit, latents, torch.full((1, FRAMES), 700.0), prompt)
    theirs = their_dit(latents.transpose(1, 2), torch.tensor([700.0]), prompt, return_dict=False)
    torch.testing.assert_close(ours, theirs[0].transpose(1, 2), **FLOW_LIMITS)
