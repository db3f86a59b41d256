"""Pictures and textures: smooth steps, mixing, blurring, noise.

Shapes: a picture is [H, W, C], float32; a tile of noise is [512, 512] and wraps.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scene import SEED

Array = NDArray[np.float32]
Color = tuple[float, float, float]


def f32(values: NDArray[np.floating[Any]]) -> Array:
    """Narrow to single precision."""
    return np.asarray(values, np.float32)


def smoothstep(low: float, high: float, x: Array | float) -> Array:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((np.asarray(x, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def mix(low: Array | Color, high: Array | Color, share: Array) -> Array:
    """Mix two colours, or two pictures, by a share a pixel."""
    a, b = np.asarray(low, np.float32), np.asarray(high, np.float32)
    return np.asarray(a + (b - a) * share[..., None], np.float32)


def soften(picture: Array, passes: int) -> Array:
    """Blur with the weights 1 2 1 along both axes, again and again; edges repeat."""
    for _ in range(passes):
        for axis in (0, 1):
            still = [(0, 0)] * picture.ndim
            still[axis] = (1, 1)
            wide = np.swapaxes(np.pad(picture, still, mode="edge"), 0, axis)
            mean = wide[1:-1] * np.float32(0.5) + (wide[:-2] + wide[2:]) * np.float32(0.25)
            picture = np.swapaxes(mean, 0, axis)
    return np.ascontiguousarray(picture, np.float32)


@cache
def noise(seed: int, along: int, across: int) -> Array:
    """Make a tile of smooth noise, 512 wide, that wraps; mean 0, most values within 1."""
    spectrum = np.fft.rfft2(np.random.default_rng([SEED, seed]).standard_normal((512, 512)))
    fy, fx = np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]
    soft = np.exp(-2 * np.pi**2 * ((fx * along) ** 2 + (fy * across) ** 2))
    tile = np.fft.irfft2(spectrum * soft)
    return np.asarray(tile / tile.std() / 2, np.float32)


def sample(tile: Array, x: Array, y: Array) -> Array:
    """Look a wrapping tile up, at the nearest texel."""
    return np.asarray(tile[y.astype(np.int32) & 511, x.astype(np.int32) & 511], np.float32)
