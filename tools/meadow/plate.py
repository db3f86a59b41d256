"""The hazy plate behind everything: sky, hills, hedge, far meadow."""

from __future__ import annotations

from functools import cache

import numpy as np

from paint import Array, mix, noise, sample, smoothstep, soften
from scene import HORIZON, SEED, SIZE, SUN


@cache
def plate() -> Array:
    """Paint what never moves, with a margin for the hand: [SIZE + 32, SIZE + 32, 3]."""
    y, x = np.mgrid[-16 : SIZE + 16, -16 : SIZE + 16].astype(np.float32)
    glow = np.exp(-(((x - SUN[0]) / 170) ** 2) - ((y - SUN[1]) / 130) ** 2)
    picture = mix((0.17, 0.34, 0.58), (0.56, 0.38, 0.21), smoothstep(-60, 105, y))
    picture += glow[..., None] * np.array([1.05, 0.66, 0.26], np.float32)
    for level, seed, rough, color in (
        (84.0, 1, 11.0, (0.27, 0.34, 0.33)),
        (100.0, 2, 24.0, (0.085, 0.130, 0.060)),
    ):
        ridge = level + rough * noise(seed, 30, 30)[40 * seed, x.astype(int) & 511]
        ridge += 0.45 * rough * sample(noise(seed + 5, 7, 7), x, y)
        leaves = 1 + 0.6 * sample(noise(9, 6, 6), x, y)
        lit = mix(color, (0.55, 0.42, 0.15), 0.8 * glow + 0.10) * leaves[..., None]
        picture = mix(picture, lit, smoothstep(-3, 3, y - ridge))
    meadow = mix((0.30, 0.30, 0.085), (0.020, 0.036, 0.008), smoothstep(HORIZON, 400, y))
    streaks = 1 + 0.4 * sample(noise(3, 26, 3), x, y * 2)
    picture = mix(picture, meadow * streaks[..., None], smoothstep(HORIZON - 4, HORIZON + 6, y))
    return soften(picture + _bokeh(x, y), 16)


def _bokeh(x: Array, y: Array) -> Array:
    """Out-of-focus sparks of sun between the leaves of the hedge."""
    rng = np.random.default_rng([SEED, 77])
    glints = np.zeros((*x.shape, 3), np.float32)
    for _ in range(44):
        cx, cy, r = rng.uniform(-10, 522), rng.normal(128, 13), rng.uniform(5, 11)
        disc = smoothstep(r + 1.5, r - 1.5, np.hypot(x - cx, y - cy)) * rng.uniform(0.04, 0.16)
        glints += disc[..., None] * np.array([1.0, 0.80, 0.34], np.float32)
    return glints


def cut_plate(hand_x: float, hand_y: float) -> Array:
    """Cut the frame out of the plate, between its pixels: [SIZE, SIZE, 3]."""
    picture = plate()
    for axis, shift in ((0, 16 - hand_y), (1, 16 - hand_x)):
        whole, rest = int(shift), np.float32(shift % 1)
        near, far = (picture.take(range(n, n + SIZE), axis) for n in (whole, whole + 1))
        picture = near + (far - near) * rest
    return picture
