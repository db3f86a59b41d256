"""The network in ranges of blocks: whatever the cuts, the numbers are those of the whole."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from references.stages import Stage, run_stages
from renders.tiny_models import DIT, empty_cache, normal, random_prompt, tiny_dit
from rushes.models.dit import CausalDit
from rushes.models.rope import RotaryEmbedding

LAYERS = 3
LATENTS = normal(1, 2, 16, 4, 6, seed=1)
TIMESTEPS = torch.tensor([[700.0, 500.0]])
ROTARY = RotaryEmbedding(DIT.head_dim).factors([0], 2, 2, 3)


@cache
def dit() -> CausalDit:
    return tiny_dit(replace(DIT, num_layers=LAYERS))


def run(stages: list[Stage] | None = None) -> Tensor:
    kv_cache = empty_cache(dit().config, frame_tokens=6)
    kv_cache.begin_chunk(0, 2)
    inputs = (LATENTS, TIMESTEPS, ROTARY, kv_cache, random_prompt(dit()))
    with torch.inference_mode():
        return dit()(*inputs) if stages is None else run_stages(stages, *inputs)


@pytest.mark.parametrize("cuts", [(0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)], ids=str)
def test_stages_together_are_the_network(cuts: tuple[int, ...]) -> None:
    stages = [Stage(dit(), range(begin, end)) for begin, end in pairwise(cuts)]
    assert torch.equal(run(stages), run())


def test_tokens_pass_between_stages() -> None:
    kv_cache = empty_cache(dit().config, frame_tokens=6)
    kv_cache.begin_chunk(0, 2)
    prompt = random_prompt(dit())
    first, last = (Stage(dit(), blocks) for blocks in (range(1), range(1, LAYERS)))
    with torch.inference_mode():
        tokens = first(LATENTS, TIMESTEPS, ROTARY, kv_cache, prompt, (4, 6))
        flow = last(tokens, TIMESTEPS, ROTARY, kv_cache, prompt, (4, 6))
    assert tokens.shape == (1, 2 * 6, DIT.dim)
    assert flow.shape == LATENTS.shape
