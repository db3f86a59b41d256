"""Training sees the same network as the stream: whole clips and chunks give the same flow."""

from __future__ import annotations

import pytest
import torch

from renders.tiny_models import empty_cache, normal, seeded
from rushes.models.checkpoint import load_strictly
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.rope import RotaryEmbedding
from rushes.weights.random_weights import random_dit
from rushes_training.forcing import Chunks, forced_flow

DIT = DitConfig(dim=24, ffn_dim=32, num_heads=2, num_layers=2, text_dim=10, text_len=6, freq_dim=8)
FRAMES = 5


@pytest.fixture(scope="module")
def dit() -> CausalDit:
    network = CausalDit(DIT)
    load_strictly(network, random_dit(DIT, seeded()), "random weights")
    return network.eval()


@pytest.mark.parametrize(
    "chunks",
    [((0, 1), (1, 2), (2, 3), (3, 4), (4, 5)), ((0, 2), (2, 3), (3, 5))],
    ids=["single frames", "uneven"],
)
@pytest.mark.parametrize("gap", [0, 300], ids=["in a row", "behind a gap"])
@torch.no_grad()
def test_whole_clips_give_the_flow_of_the_stream(dit: CausalDit, chunks: Chunks, gap: int) -> None:
    clean, noisy = normal(1, FRAMES, 16, 4, 4, seed=1), normal(1, FRAMES, 16, 4, 4, seed=2)
    prompts = normal(1, 1, 6, 10, seed=3).expand(1, FRAMES, 6, 10)
    positions = torch.arange(FRAMES)[None] + gap * (torch.arange(FRAMES) >= 3)
    timesteps = torch.full((1, FRAMES), 700.0)
    rotary = RotaryEmbedding(DIT.head_dim)
    whole = forced_flow(dit, clean, noisy, timesteps, prompts, positions, chunks, rotary)

    cache = empty_cache(DIT, frame_tokens=4)
    keys = dit.prompt_keys(dit.embed_prompt(prompts[:, 0]))
    for start, end in chunks:
        position = int(positions[0, start])
        cache.begin_chunk(position, end - start)
        factors = rotary.factors([position], end - start, 2, 2)
        flow = dit(noisy[:, start:end], timesteps[:, start:end], factors, cache, keys)
        torch.testing.assert_close(whole[:, start:end], flow, rtol=1e-5, atol=1e-5)
        dit(clean[:, start:end], torch.zeros(1, end - start), factors, cache, keys)


@torch.no_grad()
def test_without_a_past_every_chunk_stands_alone(dit: CausalDit) -> None:
    noisy = normal(2, 2, 16, 4, 4)
    prompts = normal(2, 2, 6, 10, seed=1)
    positions, timesteps = torch.arange(2).expand(2, 2), torch.full((2, 2), 500.0)
    rotary = RotaryEmbedding(DIT.head_dim)
    chunks = ((0, 1), (1, 2))
    both = forced_flow(dit, None, noisy, timesteps, prompts, positions, chunks, rotary)
    later = (noisy[:, 1:], timesteps[:, 1:], prompts[:, 1:], positions[:, 1:])
    second = forced_flow(dit, None, *later, ((0, 1),), rotary)
    torch.testing.assert_close(both[:, 1:], second, rtol=1e-5, atol=1e-5)
