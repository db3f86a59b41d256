"""Noise that depends on seed and order alone."""

from __future__ import annotations

import pytest
import torch

from renders.tiny_models import CPU, normal
from rushes.stream.noise import ChunkNoise, cover

SHAPE = (1, 2, 4, 6, 8)


def draws(seed: int, count: int = 3, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    noise = ChunkNoise(seed, SHAPE)
    return [noise.draw(CPU, dtype) for _ in range(count)]


def test_the_same_seed_gives_the_same_draws() -> None:
    for first, again in zip(draws(7), draws(7), strict=True):
        assert torch.equal(first, again)


def test_draws_of_a_chunk_and_of_other_seeds_all_differ() -> None:
    found = [*draws(7), *draws(8)]
    for index, one in enumerate(found):
        assert not any(torch.equal(one, other) for other in found[:index])


def test_chunks_drawn_in_turns_do_not_disturb_each_other() -> None:
    chunks = [ChunkNoise(seed, SHAPE) for seed in (7, 8)]
    pieces = [[chunk.draw(CPU, torch.float32) for chunk in chunks] for _ in range(3)]
    for mine, other in zip(draws(7), [row[0] for row in pieces], strict=True):
        assert torch.equal(mine, other)


def test_the_global_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(1)
    expected, wanted = draws(7), torch.randn(3)
    torch.manual_seed(1)
    for actual, other in zip(draws(7), expected, strict=True):
        assert torch.equal(actual, other)
    torch.manual_seed(1)
    assert torch.equal(torch.randn(3), wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrower_numbers_are_the_same_draws_rounded(dtype: torch.dtype) -> None:
    for narrow, wide in zip(draws(7, dtype=dtype), draws(7), strict=True):
        assert narrow.dtype == dtype
        assert torch.equal(narrow, wide.to(dtype))


def test_the_noise_is_normal() -> None:
    noise = ChunkNoise(3, (100_000,)).draw(CPU, torch.float32)
    assert abs(noise.mean()) < 0.01
    assert noise.std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seed", [0, 2**32, 2**63 - 1])
def test_every_seed_a_timeline_can_have_is_usable(seed: int) -> None:
    assert draws(seed, 1)[0].isfinite().all()


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0])
def test_covered_input_is_a_mix_of_input_and_noise(scale: float) -> None:
    encoded, noise = normal(*SHAPE, seed=1), normal(*SHAPE, seed=2)
    expected = encoded + scale * (noise - encoded)
    torch.testing.assert_close(cover(encoded, noise, scale), expected)
