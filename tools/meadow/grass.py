"""Rows of grass and flowers that lean in the wind and scroll with their depth.

Shapes: a canvas is [H, W, 3], or [H, W, 4] with the cover last; other arrays are one value a blade,
    or one value a span: the line of samples where a blade crosses a row of the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from motion import camera_x, handheld
from paint import Array, Color, f32, mix, smoothstep
from scene import GROUND, HORIZON, SEED, SIZE, TRAVEL

HAZE: Color = (0.42, 0.38, 0.14)
FLOWERS: tuple[tuple[Color, Color], ...] = (  # petals and centre
    ((0.85, 0.82, 0.76), (0.80, 0.47, 0.04)),
    ((0.72, 0.075, 0.030), (0.03, 0.02, 0.03)),
    ((0.85, 0.82, 0.76), (0.80, 0.47, 0.04)),
    ((0.20, 0.24, 0.78), (0.10, 0.06, 0.30)),
)


@dataclass(frozen=True)
class Row:
    """A row of grass at one depth; 1 is where the cat walks, more is nearer."""

    depth: float
    blades: int
    height: tuple[float, float]  # as it would look at depth 1
    seed: int
    ears: float = 0.10  # share of stalks that carry an ear
    flowers: int = 0
    shine: float = 1.0


FAR_ROWS = (
    Row(0.20, 150, (50, 90), 1),
    Row(0.30, 170, (60, 120), 2),
    Row(0.42, 170, (70, 140), 3, flowers=5),
)
MIDDLE_ROWS = (
    Row(0.56, 170, (70, 170), 4, flowers=4),
    Row(0.70, 170, (70, 180), 5, flowers=5),
)
BEHIND_ROWS = (
    Row(0.84, 190, (60, 190), 6, flowers=4),
    Row(0.95, 170, (40, 130), 7, 0.05, 4),
)
FRONT_ROWS = (
    Row(1.03, 130, (16, 46), 8, 0.0),
    Row(1.06, 9, (120, 185), 12, 0.8),
    Row(1.10, 160, (22, 64), 9, 0.02, 4, 0.9),
    Row(1.20, 170, (34, 88), 10, 0.04, 3, 0.75),
)
LENS_ROW = Row(1.62, 46, (70, 190), 11, 0.10, shine=0.5)


@dataclass(frozen=True)
class Blades:
    """One value a blade; ``place`` is 0 to 1 along the repeating strip."""

    place: Array
    base: Array
    height: Array
    lean: Array
    width: Array
    phase: Array
    has_ear: NDArray[np.bool_]
    tint: Array


@cache
def grow(row: Row) -> Blades:
    """Draw the lots of a row's blades: tufts with gaps between, the farthest first."""
    rng = np.random.default_rng([SEED, 100 + row.seed])
    n = row.blades
    tuft = rng.integers(0, max(n // 7, min(n, 12)), n)
    place = (rng.uniform(0, 1, n)[tuft] + rng.normal(0, 0.022, n)) % 1
    vigour = rng.uniform(0.65, 1.2, n)[tuft] * row.depth
    hue = rng.uniform(0, 1, (n, 1))
    tint = (1 - hue) * [0.120, 0.235, 0.030] + hue * [0.300, 0.340, 0.050]
    has_ear = rng.uniform(0, 1, n) < row.ears
    height = rng.triangular(row.height[0], row.height[0], row.height[1], n) * vigour
    height = np.where(has_ear, np.maximum(height, 0.75 * row.height[1] * row.depth), height)
    return Blades(
        place=place.astype(np.float32),
        base=f32(HORIZON + (GROUND - HORIZON) * row.depth + np.sort(rng.uniform(-9, 9, n))),
        height=f32(height),
        lean=f32(np.where(has_ear, rng.normal(0, 0.07, n), rng.normal(0.02, 0.27, n))),
        width=f32(4.6 * row.depth * rng.uniform(0.5, 1.4, n)),
        phase=f32(rng.uniform(0, 0.16, n)),
        has_ear=has_ear,
        tint=f32(tint * rng.uniform(0.55, 1.3, (n, 1)) * row.shine),
    )


def bend(x: Array, phase: Array, moment: float) -> Array:
    """How far the wind pushes a tip, as a share of the blade's height."""
    cycle = 2 * np.pi * (phase - x / 420)
    gust = 0.085 * np.sin(cycle + 4 * np.pi * moment)
    gust += 0.045 * np.sin(2.3 * cycle + 10 * np.pi * moment)
    return f32(0.05 + gust + 0.012 * np.sin(40 * phase + 16 * np.pi * moment))


def draw_row(canvas: Array, row: Row, moment: float) -> None:
    """Paint one row of grass, blade over blade, and its flowers.

    Shapes:
        canvas: [H, W, C], changed in place; H is SIZE times a whole number; of 4 channels the last
            is the cover
    """
    scale = canvas.shape[0] // SIZE
    blades, margin, period = grow(row), 80.0, row.depth * TRAVEL
    hand_x, hand_y = handheld(moment)
    start = (blades.place * period - row.depth * camera_x(moment)) % period - margin
    copies = np.arange(np.ceil((SIZE + 2 * margin) / period), dtype=np.float32) * np.float32(period)
    blade = np.tile(np.arange(row.blades), len(copies))
    x = (start + copies[:, None]).ravel()
    sway = blades.lean[blade] + bend(x, blades.phase[blade], moment)
    height = blades.height[blade]

    rise = np.arange(int(height.max() * scale), dtype=np.float32)
    t = rise / (height[:, None] * scale)
    y = ((blades.base + hand_y)[blade, None] * scale - rise).astype(np.int64)
    center = ((x + hand_x)[:, None] + (height * sway)[:, None] * t**1.8) * scale
    seen = (t < 1) & (y >= 0) & (y < canvas.shape[0])
    seen &= (center > -20) & (center < canvas.shape[1] + 20)
    which = np.broadcast_to(blade[:, None], t.shape)[seen]
    _paint_spans(canvas, row, which, t[seen], y[seen], center[seen])
    for n in np.flatnonzero(blade % row.blades >= row.blades - row.flowers):
        tip = x[n] + hand_x + height[n] * sway[n], blades.base[blade[n]] + hand_y - height[n]
        _paint_flower(canvas, row, int(blade[n]), tip, float(sway[n]))


def _paint_spans(
    canvas: Array,
    row: Row,
    blade: NDArray[np.int64],
    t: Array,
    y: NDArray[np.int64],
    center: Array,
) -> None:
    """Paint one horizontal span a blade and line; later spans cover earlier ones."""
    scale, blades = canvas.shape[0] // SIZE, grow(row)
    has_ear = blades.has_ear[blade]
    ear = np.where(has_ear, np.sin(np.pi * np.clip((t - 0.78) / 0.22, 0, 1)), 0)
    leaf = 0.5 * blades.width[blade] * np.minimum(0.55 + 1.5 * t, 1) * (1 - t) ** 0.6
    half = np.where(has_ear, row.depth * (0.65 + 1.7 * ear), leaf) * scale + 0.3
    reach = int(np.ceil(half.max())) if half.size else 0
    column = np.floor(center)[:, None] + np.arange(-reach, reach + 1, dtype=np.float32)
    side = (column + 0.5 - center[:, None]) / half[:, None]
    inside = (np.abs(side) <= 1) & (column >= 0) & (column < canvas.shape[1])

    sunny = 0.10 + 1.15 * smoothstep(0.0, 1.0, t)[:, None] ** 1.4
    color = blades.tint[blade] * sunny + smoothstep(0.45, 1, t)[:, None] * [0.13, 0.10, 0.006]
    husk = np.array([0.42, 0.29, 0.10]) * row.shine
    color = color + (husk - color) * np.minimum(ear * 1.6, 1)[:, None]
    color = color + (np.array(HAZE) - color) * np.clip(0.62 - 0.75 * row.depth, 0, 1)
    line, dot = np.nonzero(inside)
    shade = 0.88 + 0.42 * side[line, dot]
    shade += 0.35 * ear[line] * np.sin(240 * t[line] - 4 * np.abs(side[line, dot]))
    flat = y[line] * canvas.shape[1] + column[line, dot].astype(np.int64)
    canvas.reshape(-1, canvas.shape[2])[flat, :3] = color[line] * shade[:, None]
    if canvas.shape[2] == 4:
        canvas.reshape(-1, 4)[flat, 3] = 1


def _paint_flower(
    canvas: Array, row: Row, blade: int, tip: tuple[float, float], lean: float
) -> None:
    """Paint a daisy, poppy or cornflower at a tip, seen a little from above."""
    scale = canvas.shape[0] // SIZE
    petals, center = FLOWERS[(blade + row.seed) % len(FLOWERS)]
    radius = row.depth * (7.2 + blade * 7 % 3)
    left, top = (max(int((v - radius) * scale) - 2, 0) for v in tip)
    right, bottom = (int((v + radius) * scale) + 2 for v in tip)
    part = canvas[top:bottom, left:right]
    if not part.size:
        return
    rows, columns = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float32)
    x, y = (columns + left) / scale - tip[0], ((rows + top) / scale - tip[1])
    y = (y - x * lean) * 1.5
    away, angle = np.hypot(x, y) / radius, np.arctan2(y, x)
    rim = 0.80 + 0.20 * np.cos(9 * angle + blade)
    color = mix(petals, center, smoothstep(0.36, 0.28, np.hypot(x, y + 1) / radius))
    color = color * (0.72 - 0.25 * np.clip(y / radius, -1, 1) + 0.2 * away)[..., None]
    cover = smoothstep(0.08, -0.08, away - rim)
    part[..., :3] = mix(part[..., :3], color * row.shine, cover)
    if canvas.shape[2] == 4:
        part[..., 3] = np.maximum(part[..., 3], cover)
