"""The light of the low sun: on fur, on drifting seeds, in the lens.

Shapes: colours, normals and canvases are [H, W, 3]; distances and shades are [H, W].
"""

from __future__ import annotations

from functools import cache

import numpy as np

from motion import wave
from paint import Array, noise, smoothstep
from scene import SEED, SIZE, SUN, SUPERSAMPLING

TO_SUN = np.array([0.52, 0.70, 0.10], np.float32) / np.float32(0.878)  # x, y, z; length 1


def light(albedo: Array, normal: Array, distance: Array, shade: Array | float = 1.0) -> Array:
    """Light a furry body: low sun from behind, sky, the meadow's green from below, a bright rim."""
    up = normal[..., 1:2]
    sun = np.clip((normal @ TO_SUN + 0.16) / 1.16, 0, 1)[..., None] ** 1.3
    sky = np.array([0.46, 0.54, 0.66], np.float32) * (0.45 + 0.55 * up)
    bounce = np.array([0.16, 0.20, 0.05], np.float32) * (0.5 - 0.5 * up)
    front = np.array([0.26, 0.24, 0.22], np.float32) * normal[..., 2:3]
    lamp = np.array([2.0, 1.50, 0.85], np.float32) * sun
    dim = np.asarray(shade, np.float32)[..., None]
    edge = np.exp(np.minimum(distance, 0) / 2.6) * np.clip(normal @ TO_SUN + 0.15, 0, 1)
    rim = edge[..., None] * np.array([1.5, 1.1, 0.60], np.float32) * (0.25 + albedo)
    return np.asarray(albedo * (sky + bounce + front + lamp) * dim + rim, np.float32)


def draw_seeds(canvas: Array, moment: float) -> None:
    """Add drifting seeds: sharp little stars far off, wide discs close to the lens."""
    rng = np.random.default_rng([SEED, 55])
    scale = canvas.shape[0] // SIZE
    for n in range(26):
        near = n % 4 == 0
        radius = rng.uniform(5, 9) if near else rng.uniform(1.2, 2.4)
        laps = 2 if near else 1
        x = (rng.uniform(0, 1) - laps * moment) % 1 * (SIZE + 80) - 40
        y = rng.uniform(60, 400) + wave(moment, (16, 1, rng.uniform()), (6, 3, rng.uniform()))
        power = (0.10 if near else 0.8) * (0.75 + wave(moment, (0.25, 4, rng.uniform())))
        reach = int(radius * 2.2 * scale) + 2
        left, top = int(x * scale) - reach, int(y * scale) - reach
        part = canvas[max(top, 0) : top + 2 * reach, max(left, 0) : left + 2 * reach]
        if not part.size:
            continue
        rows, columns = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float32)
        away = np.hypot(columns + max(left, 0) - x * scale, rows + max(top, 0) - y * scale) / scale
        star = np.exp(-((away / radius) ** 2))
        disc = smoothstep(radius + 1.2, radius - 1.2, away) if near else star
        part += (power * disc)[..., None] * np.array([1.0, 0.86, 0.55], np.float32)


@cache
def lens() -> tuple[Array, Array]:
    """Make the veil of the sun to add and the vignette to multiply.

    Shapes:
        returns: [H, W, 3] and [H, W, 1], of the whole canvas
    """
    y, x = (
        np.mgrid[: SIZE * SUPERSAMPLING, : SIZE * SUPERSAMPLING].astype(np.float32) + 0.5
    ) / SUPERSAMPLING
    away = np.hypot(x - SUN[0], y - SUN[1])
    ray = noise(30, 5, 400)[7, (np.arctan2(y - SUN[1], x - SUN[0]) * 150).astype(np.int32) & 511]
    shaft = np.clip(ray, 0, 1.5) * np.exp(-(((away - 190) / 170) ** 2)) * 0.05
    veil = shaft + 0.24 * np.exp(-((away / 150) ** 2)) + 0.07 * np.exp(-((away / 330) ** 2))
    color = veil[..., None] * np.array([1.0, 0.74, 0.36], np.float32)
    corner = np.hypot(x - SIZE / 2, (y - SIZE / 2) * 0.9) / (SIZE / 2)
    return color.astype(np.float32), (1 - 0.30 * smoothstep(0.7, 1.5, corner))[..., None]
