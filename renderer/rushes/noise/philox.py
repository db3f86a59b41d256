"""The normal numbers that PyTorch draws on a CUDA device, computed anywhere.

The generator is Philox 4x32-10 with the seed as its key. Each thread of the GPU has a stream of
its own; a step of it gives four integers, and these give four normal numbers by Box and Muller.
PyTorch starts no more threads than the GPU holds: as long as there are as many as numbers, each
takes one number and drops three; else each takes four, and goes on in strides of the whole grid.

Differences to a GPU stay within a few units of the last place of float32, since it approximates
sine, cosine and logarithm; rounded to bfloat16 the numbers are the same but for rare ties.

Source: pytorch: aten/src/ATen/native/cuda/DistributionTemplates.h (calc_execution_policy,
distribution_elementwise_grid_stride_kernel); Salmon et al., "Parallel random numbers: as easy as
1, 2, 3" (SC11); NVIDIA's cuRAND documentation and headers (curand_normal4)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rushes.presets.device_classes import THREADS_PER_BLOCK

Words = NDArray[np.uint64]  # 32-bit numbers, in 64 bits so that products fit
Floats = NDArray[np.float32]

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_LOW = np.uint64(_MASK)
_HALF = np.uint64(32)
_PER_CALL = 4  # numbers of a step, and what it moves the generator's offset by
_TILE = 1 << 14  # threads at a time, so that all stays in the processor's cache
_UNIT = np.float32(2.0**-32)
_TURN = np.float32(2.0**-32) * np.float32(2 * math.pi)


class CudaGenerator:
    """The counterpart of ``torch.Generator("cuda")`` for ``torch.randn``: a seed and an offset."""

    def __init__(self, seed: int, threads: int) -> None:
        """``threads`` is the most that the GPU holds at once."""
        self.seed, self.offset = seed, 0
        self._threads = threads
        self._keys = _round_keys(seed)

    def normal(self, count: int) -> Floats:
        """Draw the next numbers: [count], those of a tensor with so many elements.

        How many are drawn at once matters: the threads go by it.
        """
        grid = self._grid(count)
        drawn = np.empty(count, np.float32)
        stride = _PER_CALL * grid
        for first in range(0, count, stride):
            self._fill(drawn[first : first + stride], grid)
            self.offset += _PER_CALL
        return drawn

    def skip(self, count: int) -> None:
        """Move on as if so many numbers were drawn at once."""
        self.offset += _PER_CALL * -(-count // (_PER_CALL * self._grid(count)))

    def _grid(self, count: int) -> int:
        """Return how many threads draw so many numbers."""
        blocks = max(1, -(-count // THREADS_PER_BLOCK))
        return min(blocks * THREADS_PER_BLOCK, self._threads)

    def _fill(self, part: Floats, grid: int) -> None:
        """Take one step of every thread; thread t gives elements t, t + grid, t + 2 grid ..."""
        step = self.offset // _PER_CALL
        for first in range(0, min(grid, len(part)), _TILE):
            end = min(first + _TILE, grid)
            words = _philox(step, first, end, self._keys)
            for lane in range(0, _PER_CALL, 2):
                begin = lane * grid + first
                if begin >= len(part):
                    break
                radius, angle = _box_muller(words[lane], words[lane + 1])
                _put(part, begin, radius, np.sin(angle))
                if begin + grid < len(part):
                    _put(part, begin + grid, radius, np.cos(angle))


def _put(part: Floats, begin: int, radius: Floats, direction: Floats) -> None:
    place = part[begin : begin + len(radius)]
    np.multiply(radius[: len(place)], direction[: len(place)], out=place)


def _round_keys(seed: int) -> list[tuple[np.uint64, np.uint64]]:
    low, high = seed & _MASK, seed >> 32 & _MASK
    return [
        (
            np.uint64(low + number * _KEY_STEPS[0] & _MASK),
            np.uint64(high + number * _KEY_STEPS[1] & _MASK),
        )
        for number in range(_ROUNDS)
    ]


def _philox(
    step: int, first: int, end: int, keys: Sequence[tuple[np.uint64, np.uint64]]
) -> tuple[Words, Words, Words, Words]:
    """Return the four integers of one step of the threads ``first`` to ``end``, each [threads].

    The words that a round hands on low keep their upper half until they are used.
    """
    num = end - first
    x, y = np.full(num, step & _MASK, np.uint64), np.full(num, step >> 32, np.uint64)
    z, w = np.arange(first, end, dtype=np.uint64), np.zeros(num, np.uint64)
    even, odd = np.empty(num, np.uint64), np.empty(num, np.uint64)
    for key_x, key_z in keys:
        np.multiply(x, _MULTIPLIERS[0], out=even)
        np.multiply(z, _MULTIPLIERS[1], out=odd)
        for product, other, key, new in ((odd, y, key_x, x), (even, w, key_z, z)):
            np.right_shift(product, _HALF, out=new)
            np.bitwise_xor(new, other, out=new)
            np.bitwise_xor(new, key, out=new)
            np.bitwise_and(new, _LOW, out=new)
        y, odd = odd, y
        w, even = even, w
    return x, y & _LOW, z, w & _LOW


def _box_muller(first: Words, second: Words) -> tuple[Floats, Floats]:
    """Turn pairs of integers into points of the plane, as radius and angle; shapes agree.

    Their coordinates, the sine first, are the normal numbers.
    """
    share = first.astype(np.float32)
    share *= _UNIT
    share += _UNIT / 2
    # A GPU rounds the product and the sum below once, together.
    angle = (second.astype(np.float32) * np.float64(_TURN) + np.float64(_TURN / 2)).astype(
        np.float32
    )
    return np.sqrt(np.float32(-2) * np.log(share)), angle
