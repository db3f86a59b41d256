"""Noise that depends on seed and order alone."""

from __future__ import annotations

import math

import pytest
import torch

from renders.tiny_models import CPU
from rushes.noise.chunk_noise import ChunkNoise
from rushes.noise.philox import CudaGenerator
from rushes.presets.device_classes import DEVICE_CLASSES, GPUS, DeviceClass

SHAPE = (1, 2, 4, 6, 8)


KINDS = [None, "h100", "4090"]
as_drawn_on = pytest.mark.parametrize("device_class", KINDS, ids=["cpu", "h100", "4090"])


def draws(
    seed: int,
    count: int = 3,
    dtype: torch.dtype = torch.float32,
    device_class: DeviceClass | None = None,
) -> list[torch.Tensor]:
    noise = ChunkNoise(seed, SHAPE, device_class=device_class)
    return [noise.draw(CPU, dtype) for _ in range(count)]


def test_the_same_seed_gives_the_same_draws() -> None:
    for first, again in zip(draws(7), draws(7), strict=True):
        assert torch.equal(first, again)


@as_drawn_on
def test_draws_of_a_chunk_and_of_other_seeds_all_differ(device_class: DeviceClass | None) -> None:
    found = [*draws(7, device_class=device_class), *draws(8, device_class=device_class)]
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


@as_drawn_on
def test_the_noise_is_normal(device_class: DeviceClass | None) -> None:
    noise = ChunkNoise(3, (100_000,), device_class=device_class).draw(CPU, torch.float32)
    assert abs(noise.mean()) < 0.01
    assert noise.std().item() == pytest.approx(1, abs=0.01)


@as_drawn_on
@pytest.mark.parametrize("seed", [0, 2**32, 2**63 - 1])
def test_every_seed_a_timeline_can_have_is_usable(
    seed: int, device_class: DeviceClass | None
) -> None:
    assert draws(seed, 1, device_class=device_class)[0].isfinite().all()


@as_drawn_on
def test_a_chunk_goes_on_where_it_was(device_class: DeviceClass | None) -> None:
    for drawn, expected in enumerate(draws(7, device_class=device_class)):
        resumed = ChunkNoise(7, SHAPE, drawn, device_class)
        assert torch.equal(resumed.draw(CPU, torch.float32), expected)
        assert resumed.drawn == drawn + 1


def test_noise_of_a_gpu_is_rounded_to_bfloat16_for_every_dtype() -> None:
    numbers = CudaGenerator(7, GPUS["h100"].threads).normal(math.prod(SHAPE))
    expected = torch.from_numpy(numbers).bfloat16().reshape(SHAPE)
    assert torch.equal(draws(7, 1, torch.float32, "h100")[0], expected.float())
    assert torch.equal(draws(7, 1, torch.bfloat16, "h100")[0], expected)


def test_small_chunks_are_the_same_on_all_gpus_and_large_ones_are_not() -> None:
    small = [draws(7, 1, device_class=name)[0] for name in DEVICE_CLASSES]
    assert all(torch.equal(small[0], other) for other in small)
    large = [
        ChunkNoise(7, (GPUS["h100"].threads,), 0, name).draw(CPU, torch.float32)
        for name in ("h100", "h200", "4090")
    ]
    assert torch.equal(large[0], large[1])
    assert not torch.equal(large[0], large[2])


@as_drawn_on
def test_what_is_sent_ahead_is_what_is_drawn_later(device_class: DeviceClass | None) -> None:
    noise = ChunkNoise(7, SHAPE, device_class=device_class)
    noise.send_ahead(2, CPU)
    found = [noise.draw(CPU, torch.float32) for _ in range(3)]
    for one, wanted in zip(found, draws(7, device_class=device_class), strict=True):
        assert torch.equal(one, wanted)
    assert noise.drawn == 3
