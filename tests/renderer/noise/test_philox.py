"""The numbers of PyTorch's CUDA generator: published values, and a slow second implementation."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from rushes.noise.philox import CudaGenerator
from rushes.presets.device_classes import DEFAULT_DEVICE_CLASS, DEVICE_CLASSES, GPUS

# Of seed 0, as printed by many who draw torch.randn((3, 4), device="cuda").
PUBLISHED = (
    *(-0.92466259, -0.42534415, -2.6438457, 0.14518388),
    *(-0.12086647, -0.57972564, -0.62285122, -0.32838709),
    *(-1.07454231, -0.36314407, -1.67105067, 2.26550497),
)
THREADS = {name: GPUS[name].threads for name in DEVICE_CLASSES}


class Thread:
    """One thread's generator, number by number, as cuRAND's documentation describes it."""

    def __init__(self, seed: int, thread: int, offset: int) -> None:
        assert offset % 4 == 0
        self.key = (seed % 2**32, seed // 2**32)
        self.counter = offset // 4 + thread * 2**64

    def normals(self) -> list[float]:
        words = self.integers()
        self.counter += 1
        return [*self.pair(words[0], words[1]), *self.pair(words[2], words[3])]

    def integers(self) -> list[int]:
        a, b, c, d = (self.counter >> shift & 0xFFFFFFFF for shift in (0, 32, 64, 96))
        key_a, key_c = self.key
        for _ in range(10):
            one, two = a * 0xD2511F53, c * 0xCD9E8D57
            a, b, c, d = (
                two >> 32 ^ b ^ key_a,
                two & 0xFFFFFFFF,
                one >> 32 ^ d ^ key_c,
                one & 0xFFFFFFFF,
            )
            key_a, key_c = (key_a + 0x9E3779B9) % 2**32, (key_c + 0xBB67AE85) % 2**32
        return [a, b, c, d]

    @staticmethod
    def pair(first: int, second: int) -> tuple[float, float]:
        share = float(np.float32(first) * np.float32(2**-32) + np.float32(2**-33))
        turn = 2**-32 * 6.2831855
        angle = float(np.float32(second)) * turn + turn / 2
        radius = math.sqrt(-2 * math.log(share))
        return radius * math.sin(angle), radius * math.cos(angle)


def slowly_drawn(seed: int, count: int, threads: int, offset: int = 0) -> np.ndarray:
    """A kernel launch with a loop over its threads."""
    grid = min(threads, math.ceil(count / 256) * 256)
    drawn = np.full(count, np.nan)
    for index in range(grid):
        thread = Thread(seed, index, offset)
        place = index
        while place < count:
            for lane, number in enumerate(thread.normals()):
                if place + lane * grid < count:
                    drawn[place + lane * grid] = number
            place += 4 * grid
    return drawn


def test_the_first_numbers_of_seed_0_are_the_published_ones() -> None:
    numbers = CudaGenerator(0, THREADS[DEFAULT_DEVICE_CLASS]).normal(12)
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers, PUBLISHED, rtol=0, atol=2e-6)


def test_the_slow_implementation_gives_the_published_numbers_too() -> None:
    np.testing.assert_allclose(slowly_drawn(0, 12, 512), PUBLISHED, rtol=0, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "count", "threads"),
    [
        (42, 300_000, THREADS["b200"]),  # fewer than the threads
        (2**40 + 7, 700_000, THREADS["3090"]),  # four numbers a thread, then four more
    ],
    ids=["below", "above"],
)
def test_a_million_numbers_agree_with_the_slow_implementation(
    seed: int, count: int, threads: int
) -> None:
    numbers = CudaGenerator(seed, threads).normal(count)
    np.testing.assert_allclose(numbers, slowly_drawn(seed, count, threads), rtol=0, atol=5e-6)


def sizes() -> Iterator[int]:
    for threads in (256, 512):
        for multiple in (1, 2, 3, 4, 8, 9):
            for around in (-1, 0, 1):
                yield threads * multiple + around


@pytest.mark.parametrize("count", sorted(set(sizes())))
def test_every_number_of_strides_agrees(count: int) -> None:
    numbers = CudaGenerator(3, 512).normal(count)
    np.testing.assert_allclose(numbers, slowly_drawn(3, count, 512), rtol=0, atol=5e-6)


@pytest.mark.parametrize(("count", "moved"), [(1, 4), (2048, 4), (2049, 8), (4096, 8), (4097, 12)])
def test_a_draw_moves_the_offset_by_what_a_thread_has_taken(count: int, moved: int) -> None:
    drawing, skipping = CudaGenerator(5, 512), CudaGenerator(5, 512)
    drawing.normal(count)
    skipping.skip(count)
    assert (drawing.offset, skipping.offset) == (moved, moved)
    following = slowly_drawn(5, 700, 512, offset=moved)
    np.testing.assert_allclose(drawing.normal(700), following, rtol=0, atol=5e-6)


def test_two_draws_are_not_one_draw_of_both() -> None:
    """So the renderer must draw as much at a time as the reference does."""
    twice, once = CudaGenerator(5, 512), CudaGenerator(5, 512)
    halves = np.concatenate((twice.normal(600), twice.normal(600)))
    assert not np.array_equal(halves, once.normal(1200))


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    generator = CudaGenerator(5, 512)
    assert generator.normal(0).shape == (0,)
    assert generator.offset == 0


def test_the_threads_of_the_classes_are_those_of_their_data_sheets() -> None:
    assert (THREADS["h100"], THREADS["4090"]) == (270_336, 196_608)
    assert THREADS["h200"] == THREADS["h100"]
    assert DEFAULT_DEVICE_CLASS == "h100"
