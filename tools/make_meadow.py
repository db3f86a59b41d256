"""Draw ``timelines/meadow.mp4``, the input clip of the examples: a cat in a summer meadow.

Everything is computed here, nothing is photographed. The picture is painted back to front: a hazy
plate, rows of grass that scroll with their depth, the cat, rows of grass in front of it, seeds and
light. The cat is a relief: capsules give a height, a soft maximum joins them into one body whose
slope is lit. Every motion repeats after ``NUM_FRAMES``, so the last frame flows into the first.

Units: stage pixels of the finished frame, x to the right and y down; inside the cat y is up from
    the ground and z points to the camera. ``moment`` is 0 to 1 through the loop. Light is linear
    until ``develop``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]
Color = tuple[float, float, float]

SIZE = 512
SUPERSAMPLING = 2
NUM_FRAMES = 96
FPS = 16
CRF = 24
SEED = 20250611

CAT_SCALE = 1.28  # stage pixels a unit of the cat's own frame
STRIDE = 128.0 * CAT_SCALE  # ground one full step of all four legs covers
NUM_STRIDES = 3
TRAVEL = STRIDE * NUM_STRIDES
HORIZON = 150.0
GROUND = 446.0  # where the cat's paws stand
CAT_X = 246.0
SUN = (432.0, 30.0)
HAZE: Color = (0.42, 0.38, 0.14)
FLOWERS: tuple[tuple[Color, Color], ...] = (  # petals and centre
    ((0.85, 0.82, 0.76), (0.80, 0.47, 0.04)),
    ((0.72, 0.075, 0.030), (0.03, 0.02, 0.03)),
    ((0.85, 0.82, 0.76), (0.80, 0.47, 0.04)),
    ((0.20, 0.24, 0.78), (0.10, 0.06, 0.30)),
)
TO_SUN = np.array([0.52, 0.70, 0.10], np.float32) / np.float32(0.878)


# --- small mathematics ---------------------------------------------------------------------------


def _f32(values: NDArray[np.floating[Any]]) -> Array:
    return np.asarray(values, np.float32)


def smoothstep(low: float, high: float, x: Array | float) -> Array:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((np.asarray(x, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def wave(moment: float, *terms: tuple[float, int, float]) -> float:
    """Sum sines of (amplitude, whole cycles a loop, phase in cycles)."""
    return float(sum(a * np.sin(2 * np.pi * (n * moment + p)) for a, n, p in terms))


def keyed(moment: float, times: Sequence[float], values: Sequence[float]) -> float:
    """Ease from key to key, round the end of the loop too."""
    times = [times[-1] - 1, *times, times[0] + 1]
    values = [values[-1], *values, values[0]]
    after = int(np.searchsorted(times, moment))
    share = float(smoothstep(times[after - 1], times[after], moment))
    return values[after - 1] + (values[after] - values[after - 1]) * share


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


def drag(picture: Array, moment: float, depth: float) -> None:
    """Smear a picture sideways, in place, by what it moves while the shutter is half open.

    Shapes:
        picture: [H, SIZE * SUPERSAMPLING, C]
    """
    moved = abs(camera_x(moment + 0.25 / NUM_FRAMES) - camera_x(moment - 0.25 / NUM_FRAMES))
    half = round(moved * depth * SUPERSAMPLING / 2)
    if half:
        wide = np.pad(picture, [(0, 0), (half + 1, half), (0, 0)], mode="edge")
        total = np.cumsum(wide, axis=1)
        picture[...] = (total[:, 2 * half + 1 :] - total[:, : -2 * half - 1]) / (2 * half + 1)


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


# --- the walk and the camera ---------------------------------------------------------------------


def speed(moment: Array | float) -> Array:
    """The cat walks, stands still to look around, and walks on."""
    return 1 - smoothstep(0.40, 0.50, moment) * (1 - smoothstep(0.84, 0.94, moment))


@cache
def _distance_curves() -> tuple[Array, Array]:
    grid = np.linspace(0, 1, 4800, endpoint=False, dtype=np.float32)
    pace = speed(grid).astype(np.float64)
    late = np.fft.irfft(np.fft.rfft(pace) * np.exp(-((np.arange(2401) * 0.20) ** 2)))
    curves = [np.append(0, np.cumsum(p)) / p.sum() * TRAVEL for p in (pace, late)]
    return curves[0].astype(np.float32), curves[1].astype(np.float32)


def walked(moment: float) -> float:
    """Distance the cat has covered; loops add up."""
    return _along(_distance_curves()[0], moment)


def camera_x(moment: float) -> float:
    """Distance the camera has covered: it starts and stops more gently than the cat."""
    return _along(_distance_curves()[1], moment)


def _along(curve: Array, moment: float) -> float:
    laps = np.floor(moment)
    return float(np.interp(moment - laps, np.linspace(0, 1, len(curve)), curve) + laps * TRAVEL)


def handheld(moment: float) -> tuple[float, float]:
    """Offset of the whole picture in a steady but living hand."""
    x = wave(moment, (2.0, 1, 0.1), (1.2, 3, 0.4), (0.35, 7, 0.0))
    y = wave(moment, (1.6, 2, 0.3), (0.8, 5, 0.7), (0.3, 8, 0.2))
    return x, y


# --- the plate: sky, hills, hedge, far meadow ----------------------------------------------------


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


# --- grass ---------------------------------------------------------------------------------------


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
        base=_f32(HORIZON + (GROUND - HORIZON) * row.depth + np.sort(rng.uniform(-9, 9, n))),
        height=_f32(height),
        lean=_f32(np.where(has_ear, rng.normal(0, 0.07, n), rng.normal(0.02, 0.27, n))),
        width=_f32(4.6 * row.depth * rng.uniform(0.5, 1.4, n)),
        phase=_f32(rng.uniform(0, 0.16, n)),
        has_ear=has_ear,
        tint=_f32(tint * rng.uniform(0.55, 1.3, (n, 1)) * row.shine),
    )


def bend(x: Array, phase: Array, moment: float) -> Array:
    """How far the wind pushes a tip, as a share of the blade's height."""
    cycle = 2 * np.pi * (phase - x / 420)
    gust = 0.085 * np.sin(cycle + 4 * np.pi * moment)
    gust += 0.045 * np.sin(2.3 * cycle + 10 * np.pi * moment)
    return _f32(0.05 + gust + 0.012 * np.sin(40 * phase + 16 * np.pi * moment))


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


# --- relief: capsules joined into a lit body -----------------------------------------------------


@dataclass(frozen=True)
class Capsule:
    """A tapering round bar from ``a`` to ``b``; ``coat`` colours it."""

    a: Point
    b: Point
    radius_a: float
    radius_b: float
    coat: str = "body"
    start: float = 0.0  # added to the distance along, for patterns that span several bars


@dataclass(frozen=True)
class View:
    """A window of the canvas with the cat's coordinates of its samples; crops share memory."""

    canvas: Array
    x: Array
    y: Array
    hairs: Array  # noise that breaks outlines into fur

    def around(self, points: Iterable[Point], reach: float) -> View:
        """Crop to the bounding box of points, widened by ``reach``."""
        xs, ys, _ = zip(*points, strict=True)
        part = self.box(xs, ys, reach)
        return View(self.canvas[part], self.x[part], self.y[part], self.hairs[part])

    def box(self, xs: Sequence[float], ys: Sequence[float], reach: float) -> tuple[slice, slice]:
        """Find the rows and columns of the samples around points."""
        rows = np.flatnonzero((self.y[:, 0] > min(ys) - reach) & (self.y[:, 0] < max(ys) + reach))
        columns = np.flatnonzero((self.x[0] > min(xs) - reach) & (self.x[0] < max(xs) + reach))
        if not (rows.size and columns.size):
            return slice(0), slice(0)
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def lay(self, color: Array, distance: Array, fuzz: float) -> None:
        """Put a body on the canvas; single hairs break its outline."""
        cover = smoothstep(0.6, -0.6, distance + fuzz * self.hairs)
        self.canvas[...] = mix(self.canvas, color, cover)


class Relief:
    """A body under construction: soft maximum of heights, soft minimum of outlines."""

    def __init__(self, view: View, softness: float) -> None:
        self.view, self.softness = view, softness
        self.weight = np.full(view.x.shape, 1e-30, np.float32)
        self.outline = np.full(view.x.shape, 1e-30, np.float32)
        self.color = np.zeros((*view.x.shape, 3), np.float32)

    def join(self, height: Array, distance: Array, color: Array, part: tuple[slice, slice]) -> None:
        """Add one part, given over the rectangle ``part``."""
        weight = np.exp(np.clip(height / self.softness, -40, 40))
        self.weight[part] += weight
        self.outline[part] += np.exp(np.clip(-distance / 2.5, -40, 30))
        self.color[part] += color * weight[..., None]

    def add(self, bar: Capsule, coat: Callable[[Array, Array, Array, Array], Array]) -> None:
        """Add a capsule; ``coat`` colours points x, y, along and across it (-1 to 1)."""
        (ax, ay, az), (bx, by, bz) = bar.a, bar.b
        reach = max(bar.radius_a, bar.radius_b) + 14
        part = self.view.box((ax, bx), (ay, by), reach)
        x, y = self.view.x[part], self.view.y[part]
        dx, dy = bx - ax, by - ay
        length = max(float(np.hypot(dx, dy)), 1e-3)
        along = ((x - ax) * dx + (y - ay) * dy) / length
        t = np.clip(along / length, 0, 1)
        radius = bar.radius_a + (bar.radius_b - bar.radius_a) * t
        away = np.hypot(x - ax - t * dx, y - ay - t * dy)
        height = az + (bz - az) * t + radius * (1 - (away / radius) ** 2)
        across = ((x - ax) * dy - (y - ay) * dx) / length / radius
        color = coat(x, y, _f32(along + bar.start), _f32(across))
        self.join(_f32(height), _f32(away - radius), color, part)

    def height(self) -> Array:
        """Height of the joined body, in the cat's units."""
        return np.asarray(self.softness * np.log(self.weight), np.float32)

    def distance(self) -> Array:
        """Distance to the joined outline, negative inside."""
        return np.asarray(-2.5 * np.log(self.outline), np.float32)

    def albedo(self) -> Array:
        """Colour of the joined coat."""
        return np.asarray(self.color / self.weight[..., None], np.float32)


def normals(height: Array) -> Array:
    """Turn a height into unit normals, x right, y up, z to the camera."""
    down, right = np.gradient(height, 1 / (SUPERSAMPLING * CAT_SCALE))
    normal = np.stack([-right, down, np.ones_like(height)], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)


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


# --- the cat -------------------------------------------------------------------------------------

GINGER: Color = (0.56, 0.225, 0.055)
STRIPE: Color = (0.20, 0.055, 0.012)
CREAM: Color = (0.82, 0.66, 0.45)
PINK: Color = (0.62, 0.25, 0.21)


def fur(x: Array, y: Array) -> Array:
    """Fine strands that run along x, about -1 to 1."""
    return sample(noise(20, 6, 1), x * 2.6, y * 2.6)


def body_coat(x: Array, y: Array, along: Array, across: Array) -> Array:
    """Ginger with broken bars over the back, cream below."""
    drift = 9 * sample(noise(21, 14, 14), x + 256, y)
    bars = smoothstep(0.15, 0.75, np.sin((x + drift + 0.25 * y) * 0.36)) * smoothstep(62, 96, y)
    color = mix(mix(GINGER, STRIPE, 0.85 * bars), CREAM, smoothstep(76, 56, y + drift * 0.6))
    bib = smoothstep(62, 84, x + drift + 0.2 * (100 - y)) * smoothstep(128, 108, y)
    return mix(color, CREAM, bib) * (1 + 0.20 * fur(x, y + 0.35 * x))[..., None]


def leg_coat(x: Array, y: Array, along: Array, across: Array) -> Array:
    """Ginger with rings, cream socks."""
    rings = smoothstep(0.3, 0.9, np.sin(y * 0.30 + 0.05 * x)) * smoothstep(22, 34, y)
    color = mix(mix(GINGER, STRIPE, 0.7 * rings), CREAM, smoothstep(22, 13, y))
    return color * (1 + 0.20 * fur(y, x))[..., None]


def tail_coat(x: Array, y: Array, along: Array, across: Array) -> Array:
    """Ginger with rings and a dark tip."""
    rings = np.maximum(smoothstep(0.1, 0.7, np.sin(along * 0.34)), smoothstep(108, 116, along))
    return mix(GINGER, STRIPE, _f32(0.9 * rings)) * (1 + 0.2 * fur(along, across * 8))[..., None]


COATS = {"body": body_coat, "leg": leg_coat, "tail": tail_coat}


def bent_joint(root: Point, end: Point, upper: float, lower: float, side: float) -> Point:
    """Find the joint between two bones; ``side`` 1 bends it forward, -1 backward."""
    dx, dy = end[0] - root[0], end[1] - root[1]
    reach = min(float(np.hypot(dx, dy)), 0.995 * (upper + lower))
    heading = np.arctan2(dy, dx)
    inner = np.arccos((upper**2 + reach**2 - lower**2) / (2 * upper * reach))
    angle = heading + side * inner
    return (root[0] + upper * np.cos(angle), root[1] + upper * np.sin(angle), root[2])


def paw_place(moment: float, offset: float) -> tuple[float, float, float]:
    """Where a paw is, from its neutral spot: x, height, and 0 to 1 through the swing.

    On the ground it moves back exactly as the ground does; lifted it returns.
    """
    stance = 0.63
    phase = (walked(moment) / STRIDE + offset) % 1
    reach = stance * STRIDE / CAT_SCALE
    if phase < stance:
        return reach * (0.5 - phase / stance), 0.0, 0.0
    swing = (phase - stance) / (1 - stance)
    lift = 19 * np.sin(np.pi * swing) * min(1.0, 2.5 * float(speed(moment)))
    return reach * (float(smoothstep(0, 1, swing)) - 0.5), float(lift), swing


def front_leg(moment: float, offset: float, z: float, bob: float) -> list[Capsule]:
    """Shoulder, elbow, wrist, paw."""
    x, lift, swing = paw_place(moment, offset)
    curl = 10 * np.sin(np.pi * swing)
    shoulder = (50.0, 92.0 + bob, z - 6)
    paw = (56.0 + x, 6.0 + lift, z)
    wrist = (paw[0] - 3 - curl * 0.6, paw[1] + 11 - curl * 0.2, z)
    elbow = bent_joint(shoulder, wrist, 42, 40, -1)
    return [
        Capsule(shoulder, elbow, 20, 11.5, "leg"),
        Capsule(elbow, wrist, 11, 7.2, "leg"),
        Capsule(wrist, paw, 7.2, 7.4, "leg"),
        Capsule(paw, (paw[0] + 7, paw[1] - 1.5 - 0.3 * curl, z + 1), 7.4, 6.4, "leg"),
    ]


def hind_leg(moment: float, offset: float, z: float, bob: float) -> list[Capsule]:
    """Hip, knee, hock, paw."""
    x, lift, swing = paw_place(moment, offset)
    curl = 9 * np.sin(np.pi * swing)
    hip = (-57.0, 95.0 + bob, z - 3)
    paw = (-60.0 + x, 6.0 + lift, z)
    hock = (paw[0] - 12 - 0.10 * x - curl, paw[1] + 27, z)
    knee = bent_joint(hip, hock, 40, 40, 1)
    return [
        Capsule(hip, knee, 27, 15, "leg"),
        Capsule(knee, hock, 14, 7.8, "leg"),
        Capsule(hock, paw, 7.4, 7, "leg"),
        Capsule(paw, (paw[0] + 8, paw[1] - 1.5 - 0.3 * curl, z + 1), 7.4, 6.4, "leg"),
    ]


def tail(moment: float, bob: float) -> list[Capsule]:
    """A lazy question mark that sways from its root."""
    x, y, angle = -82.0, 112.0 + bob, np.radians(176 + wave(moment, (5, 2, 0.0)))
    bars = []
    for n in range(16):
        curl = -0.19 if n < 7 else -0.01 if n < 10 else 0.26
        angle += curl + wave(moment, (0.05, 2, 0.1 - 0.05 * n), (0.02, 4, 0.3 - 0.06 * n))
        nx, ny = x + 8 * np.cos(angle), y + 8 * np.sin(angle)
        thick = 9.2 - 0.17 * n
        bars.append(Capsule((x, y, -6), (nx, ny, -6), thick, thick - 0.17, "tail", 8.0 * n))
        x, y = nx, ny
    return bars


def torso(head: Point, bob: float) -> list[Capsule]:
    """Haunch, waist, chest and neck."""
    breath = 0.6 * bob
    return [
        Capsule((-58, 97 + bob, 0), (-14, 98 + bob, 0), 32, 28),
        Capsule((-14, 98 + bob, 0), (46, 94 + breath, 0), 28, 32),
        Capsule((44, 94 + breath, 0), (57, 96 + bob, 0), 32, 29),
        Capsule((52, 102 + bob, 2), (head[0] - 6, head[1] - 6, 4), 27, 21),
    ]


# --- the head: round parts in its own frame, side (to the right in a front view), up, forward -----

HEAD = 33.0  # its unit, in the cat's
SKULL: tuple[tuple[Point, Point, float, float], ...] = (
    ((-0.20, 0.08, -0.12), (0.20, 0.08, -0.12), 0.86, 0.86),
    ((-0.10, 0.20, -0.10), (0.10, 0.20, -0.10), 0.82, 0.82),
    ((-0.46, -0.26, 0.22), (-0.40, -0.28, 0.30), 0.50, 0.46),
    ((0.46, -0.26, 0.22), (0.40, -0.28, 0.30), 0.50, 0.46),
    ((0.0, 0.22, 0.50), (0.0, -0.14, 0.92), 0.30, 0.17),
    ((-0.17, -0.36, 0.72), (-0.13, -0.34, 0.86), 0.27, 0.22),
    ((0.17, -0.36, 0.72), (0.13, -0.34, 0.86), 0.27, 0.22),
    ((0.0, -0.58, 0.60), (0.0, -0.56, 0.70), 0.22, 0.20),
)
EAR: tuple[Point, Point, Point] = ((0.20, 0.76, 0.02), (0.84, 0.34, -0.14), (0.74, 1.42, -0.02))
EYE: Point = (0.37, 0.10, 0.72)


@dataclass(frozen=True)
class Pose:
    """How the head is held at one moment; angles in degrees, yaw 0 faces the camera."""

    center: Point
    yaw: float
    pitch: float
    roll: float
    eyes_open: float
    ear_turn: float

    def turn(self) -> Array:
        """Rotation from the head's frame to the cat's: [3, 3]."""
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, self.roll])
        c, s = np.cos(yaw), np.sin(yaw)
        around = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        c, s = np.cos(pitch), np.sin(pitch)
        nod = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        c, s = np.cos(roll), np.sin(roll)
        tilt = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return np.asarray(tilt @ around @ nod, np.float32)

    def place(self, point: Sequence[float]) -> Point:
        """Where a point of the head is in the cat's frame."""
        x, y, z = self.turn() @ np.asarray(point, np.float32) * HEAD
        return (self.center[0] + float(x), self.center[1] + float(y), self.center[2] + float(z))


def head_pose(moment: float, bob: float) -> Pose:
    """The head's script: walk, look into the lens, blink, look back, follow a seed, walk on."""
    pace = float(speed(moment))
    nod = pace * wave(walked(moment) / STRIDE, (1.5, 2, 0.2))
    blinks = (_blink(moment, at) for at in (0.20, 0.585, 0.635, 0.90))
    turns = (0.38, 0.46, 0.57, 0.64, 0.68, 0.76, 0.84, 0.93)
    twitches = (0.28, 0.30, 0.33, 0.68, 0.70, 0.76)
    return Pose(
        center=(95.0 + 3 * pace + 0.7 * nod, 152.0 - 10 * pace + 0.8 * bob + nod, 10.0),
        yaw=keyed(moment, turns, (40, 2, 0, -26, -26, 42, 44, 40)) + wave(moment, (2, 3, 0.1)),
        pitch=keyed(moment, turns, (-8, -4, -4, -2, -2, 14, 10, -8)),
        roll=keyed(moment, turns, (0, -5, -7, -3, -3, 3, 2, 0)),
        eyes_open=1 - max(blinks),
        ear_turn=keyed(moment, twitches, (0, 1, 0, 0, 1, 0.2)),
    )


def _blink(moment: float, at: float) -> float:
    return float(1 - smoothstep(0.008, 0.028, abs(moment - at)))


def draw_ear(relief: Relief, pose: Pose, side: int) -> None:
    """Join one ear: a triangle, pink and tufted inside."""
    tip_shift = -0.12 * pose.ear_turn * side
    corners = [pose.place((side * p[0], p[1], p[2])) for p in EAR]
    tip = EAR[2]
    corners[2] = pose.place((side * tip[0] + tip_shift, tip[1] - 0.05 * pose.ear_turn, tip[2]))
    p = np.array(corners, np.float32)
    x, y = relief.view.x, relief.view.y
    area = (p[1, 0] - p[0, 0]) * (p[2, 1] - p[0, 1]) - (p[2, 0] - p[0, 0]) * (p[1, 1] - p[0, 1])
    if abs(area) < 30:
        return
    shares = []
    for n in range(3):
        q, r = p[(n + 1) % 3], p[(n + 2) % 3]
        shares.append(((q[0] - x) * (r[1] - y) - (r[0] - x) * (q[1] - y)) / area)
    size = np.sqrt(abs(area))
    inner = np.minimum(np.minimum(shares[0], shares[1]), shares[2])
    distance = -(inner * size * 0.62) - 0.8
    depth = sum(s * c[2] for s, c in zip(shares, p, strict=True))
    height = depth + np.where(distance < 0, 3 - 4 * smoothstep(-2, -7, distance), -3 * distance)
    hollow = smoothstep(0.05, 0.16, inner) * smoothstep(0.02, 0.3, 1 - shares[2] * 0.6)
    tufts = 1 + 0.5 * fur(y - pose.center[1], x - pose.center[0])
    color = mix(mix(GINGER, STRIPE, 0.35 * shares[2].clip(0, 1)), PINK, 0.85 * hollow)
    color = color * np.where(hollow > 0.3, tufts, 1)[..., None]
    relief.join(height.astype(np.float32), distance, color, (slice(None), slice(None)))


def face_coat(local: Array) -> Array:
    """Ginger mask, cream muzzle and cheeks, bars on brow and cheek.

    Shapes:
        local: [H, W, 3], points in the head's frame
    """
    side, up, forward = np.abs(local[..., 0]), local[..., 1], local[..., 2]
    angle = np.arctan2(up + 0.15, local[..., 0])
    strand = fur(60 * np.hypot(side, up + 0.15), 46 * angle)
    brow = smoothstep(0.30, 0.85, np.cos(side * 17)) * smoothstep(0.32, 0.46, up)
    brow *= smoothstep(0.62, 0.45, side)
    cheek = smoothstep(0.35, 0.8, np.sin((up + 0.30 * side) * 15 + 1.0))
    cheek *= smoothstep(0.58, 0.74, side) * smoothstep(0.25, 0.0, up)
    color = mix(GINGER, STRIPE, 0.85 * np.maximum(brow, 0.8 * cheek))
    muzzle = np.hypot(side / 0.50, (up + 0.44) / 0.30)
    chin = smoothstep(-0.48, -0.64, up) * smoothstep(0.62, 0.40, side)
    white = np.maximum(smoothstep(1.1, 0.75, muzzle), chin)
    blaze = smoothstep(0.10, 0.04, side - 0.05 * forward) * smoothstep(0.25, -0.1, up)
    color = mix(color, CREAM, np.maximum(white, 0.7 * blaze) * smoothstep(0.0, 0.3, forward))
    return np.asarray(color * (1 + 0.24 * strand)[..., None], np.float32)


def draw_eyes(color: Array, view: View, pose: Pose) -> Array:
    """Paint almond eyes on discs that lie in the face, so that they foreshorten as it turns."""
    turn = pose.turn()
    for sign in (-1, 1):
        outward = turn @ np.array([0.40 * sign, 0.02, 0.92], np.float32)
        axes = turn @ np.array([[0.92 * sign, 0.06, -0.40], [0, 1, 0]], np.float32).T * HEAD
        cx, cy, _ = pose.place((sign * EYE[0], EYE[1], EYE[2]))
        back = np.linalg.inv(axes[:2])
        u = (back[0, 0] * (view.x - cx) + back[0, 1] * (view.y - cy)) / 0.255
        v = back[1, 0] * (view.x - cx) + back[1, 1] * (view.y - cy)
        seen = smoothstep(0.15, 0.35, np.full_like(u, outward[2]))
        lid = 0.215 * np.clip(1 - u * u, 0, 1) ** 0.65
        closed = 1 - pose.eyes_open
        gap = lid * (pose.eyes_open - 0.12 * closed) - np.abs(v + (0.10 - 0.07 * u * u) * closed)
        ring = smoothstep(-0.070, -0.015, gap) * smoothstep(1.30, 1.05, np.abs(u))
        color = mix(color, (0.026, 0.014, 0.009), ring * seen)
        glow = mix((0.16, 0.22, 0.02), (0.62, 0.66, 0.10), smoothstep(0.12, -0.14, v))
        rim = smoothstep(0.030, 0.080, 0.23 - np.hypot(u * 0.255, v))
        pupil = smoothstep(1.12, 0.88, np.hypot((u * 0.255 - 0.01) / 0.085, v / 0.165))
        iris = mix(glow * (0.45 + 0.55 * rim)[..., None], (0.006, 0.006, 0.008), pupil)
        spark = smoothstep(0.062, 0.036, np.hypot(u * 0.255 * sign - 0.055, v - 0.075))
        iris = iris + spark[..., None] * np.float32(1.7)
        color = mix(color, iris, smoothstep(-0.010, 0.022, gap) * seen)
    return color


def draw_mouth(color: Array, local: Array) -> Array:
    """Paint nose, lips and the line between them."""
    side, up, forward = np.abs(local[..., 0]), local[..., 1], local[..., 2]
    ahead = smoothstep(0.55, 0.70, forward)
    nose = smoothstep(0.025, -0.025, side - 0.165 * np.clip((up + 0.37) / 0.17, 0, 1))
    color = mix(color, PINK, nose * smoothstep(-0.13, -0.18, up) * ahead)
    lips = -0.37 - 0.17 * np.sqrt(np.clip(side, 0, 1)) * np.clip(1 - 1.2 * side, 0, 1)
    line = smoothstep(0.036, 0.010, np.abs(up - lips)) * smoothstep(0.34, 0.26, side)
    stem = smoothstep(0.024, 0.008, side) * smoothstep(0.08, 0.04, np.abs(up + 0.41))
    return mix(color, (0.10, 0.035, 0.022), 0.85 * np.maximum(line, stem) * ahead)


def draw_head(whole: View, pose: Pose) -> None:
    """Paint the head, its shadow on the neck, and whiskers."""
    view = whole.around([pose.center], 2.0 * HEAD)
    x, y = view.x, view.y
    relief = Relief(view, softness=1.8)
    plain = np.ones((1, 1, 3), np.float32)
    for a, b, radius_a, radius_b in SKULL:
        bar = Capsule(pose.place(a), pose.place(b), radius_a * HEAD, radius_b * HEAD)
        relief.add(bar, lambda x, y, along, across: plain)
    local = np.stack([x - pose.center[0], y - pose.center[1], relief.height() - pose.center[2]], -1)
    local = local @ pose.turn() / np.float32(HEAD)
    relief.color = draw_mouth(face_coat(local), local) * relief.weight[..., None]
    for side in (-1, 1):
        draw_ear(relief, pose, side)
    socket = np.hypot((np.abs(local[..., 0]) - EYE[0]) / 0.34, (local[..., 1] - EYE[1]) / 0.3)
    shade = (1 - 0.35 * np.exp(-(socket**2))) * (
        0.55 + 0.45 * smoothstep(-0.95, -0.1, local[..., 1])
    )
    lit = light(relief.albedo(), normals(relief.height()), relief.distance(), shade)
    below = np.maximum(np.hypot(x - pose.center[0], y - pose.center[1] + 14) - 30, 0)
    neck = smoothstep(8, -22, y - pose.center[1])
    view.canvas[...] *= (1 - 0.45 * np.exp(-below / 9) * neck)[..., None]
    view.lay(draw_eyes(lit, view, pose), relief.distance(), 0.25)
    draw_whiskers(view, pose)


# --- the cat, whole ------------------------------------------------------------------------------


def draw_body(whole: View, bars: Sequence[Capsule], dim: float) -> None:
    """Join capsules, light them and lay them on the canvas."""
    view = whole.around([end for bar in bars for end in (bar.a, bar.b)], 42)
    relief = Relief(view, softness=4.0)
    for bar in bars:
        relief.add(bar, COATS[bar.coat])
    bumps = 0.32 * fur(view.x, view.y + 0.35 * view.x) * smoothstep(50, 75, view.y)
    shade = dim * (0.38 + 0.62 * smoothstep(0, 122, view.y))
    distance = relief.distance()
    lit = light(relief.albedo(), normals(relief.height() + bumps), distance, shade)
    view.lay(lit, distance, 0.5)


def stage(canvas: Array, moment: float) -> View:
    """Lay the cat's coordinates over the canvas; its paws are at 0, its middle near 0."""
    rows, columns = (np.mgrid[: canvas.shape[0], : canvas.shape[1]] + 0.5) / SUPERSAMPLING
    hand_x, hand_y = handheld(moment)
    x = _f32((columns - CAT_X - walked(moment) + camera_x(moment) - hand_x) / CAT_SCALE)
    y = _f32((GROUND + hand_y - rows) / CAT_SCALE)
    hairs = sample(noise(23, 6, 1), x * 2.2 + y * 1.4, y * 2.2 - x * 1.4)
    return View(canvas, x, y, hairs)


def draw_cat(canvas: Array, moment: float) -> None:
    """Paint the cat: its shadow, far legs, tail, body with near legs, head."""
    view = stage(canvas, moment)
    stride = walked(moment) / STRIDE
    bob = 1.8 * float(speed(moment)) * float(np.sin(4 * np.pi * stride))
    bob += wave(moment, (0.6, 3, 0))
    pose = head_pose(moment, bob)
    shadow = view.around([(0, 0, 0)], 190)
    depth = np.exp(-((shadow.x / 105) ** 2) - ((shadow.y - 2) / 16) ** 2)
    shadow.canvas[...] *= (1 - 0.65 * depth)[..., None]
    far = front_leg(moment, 0.75, -16, bob) + hind_leg(moment, 0.5, -16, bob)
    near = front_leg(moment, 0.25, 17, bob) + hind_leg(moment, 0.0, 17, bob)
    near.append(Capsule((39, 112 + bob, 15), (50, 92 + bob, 11), 12, 19))
    draw_body(view, [_across_the_body(bar) for bar in far], 0.55)
    draw_body(view, tail(moment, bob), 1.0)
    draw_body(view, torso(pose.center, bob) + near, 1.0)
    draw_head(view, pose)


def _across_the_body(bar: Capsule) -> Capsule:
    """Far legs stand a little higher in the picture, and forward."""
    a, b = ((p[0] + 7, p[1] + 5, p[2]) for p in (bar.a, bar.b))
    return replace(bar, a=a, b=b)


def draw_whiskers(view: View, pose: Pose) -> None:
    """Paint three bright curved hairs a side."""
    for side in (-1, 1):
        for n in range(3):
            root = pose.place((side * 0.25, -0.30 - 0.07 * n, 0.90))
            end = pose.place((side * (1.45 - 0.08 * n), -0.10 - 0.26 * n, 0.65))
            dx, dy = end[0] - root[0], end[1] - root[1]
            length = max(float(np.hypot(dx, dy)), 1.0)
            x, y = view.x - root[0], view.y - root[1]
            t = np.clip((x * dx + y * dy) / length**2, 0, 1)
            sag = 3.0 * t * (1 - t) - 2.0 * t * t
            hair = smoothstep(0.75, 0.1, np.hypot(x - t * dx, y - t * dy - sag))
            cover = _f32(hair * (0.8 - 0.56 * t))
            view.canvas[...] = mix(view.canvas, (1.2, 1.05, 0.8), cover)


# --- seeds, light, film --------------------------------------------------------------------------


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
    """Veil of the sun to add and vignette to multiply, at full size."""
    y, x = (np.mgrid[: SIZE * 2, : SIZE * 2].astype(np.float32) + 0.5) / SUPERSAMPLING
    away = np.hypot(x - SUN[0], y - SUN[1])
    ray = noise(30, 5, 400)[7, (np.arctan2(y - SUN[1], x - SUN[0]) * 150).astype(np.int32) & 511]
    shaft = np.clip(ray, 0, 1.5) * np.exp(-(((away - 190) / 170) ** 2)) * 0.05
    veil = shaft + 0.24 * np.exp(-((away / 150) ** 2)) + 0.07 * np.exp(-((away / 330) ** 2))
    color = veil[..., None] * np.array([1.0, 0.74, 0.36], np.float32)
    corner = np.hypot(x - SIZE / 2, (y - SIZE / 2) * 0.9) / (SIZE / 2)
    return color.astype(np.float32), (1 - 0.30 * smoothstep(0.7, 1.5, corner))[..., None]


def develop(canvas: Array) -> NDArray[np.uint8]:
    """Map light to display values on a film-like curve, then average the samples of each pixel.

    Source: the curve is the fit of K. Narkowicz to the ACES reference rendering (2015)
    """
    exposed = np.maximum(canvas, 0) * np.float32(0.95)
    curve = exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14)
    display = np.clip(curve, 0, 1) ** np.float32(1 / 2.2)
    pixels = display.reshape(SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(pixels * 255), np.uint8)


def draw_front_rows(canvas: Array, moment: float) -> None:
    """Lay the grass before the cat over the canvas."""
    grass = np.zeros((*canvas.shape[:2], 4), np.float32)
    for row in FRONT_ROWS:
        draw_row(grass, row, moment)
    low = slice(canvas.shape[0] * 2 // 5, None)
    drag(grass[low], moment, 1.1)
    canvas[low] *= 1 - grass[low, :, 3:]
    canvas[low] += grass[low, :, :3]


def draw_lens_row(canvas: Array, moment: float) -> None:
    """Lay the nearest grass, out of focus, over the canvas."""
    grass = np.zeros((SIZE, SIZE, 4), np.float32)
    draw_row(grass, LENS_ROW, moment)
    grass = soften(grass, 10).repeat(SUPERSAMPLING, axis=0).repeat(SUPERSAMPLING, axis=1)
    canvas *= 1 - grass[..., 3:]
    canvas += grass[..., :3]


def _framed_plate(hand_x: float, hand_y: float) -> Array:
    """Cut the frame out of the plate, between its pixels: [SIZE, SIZE, 3]."""
    picture = plate()
    for axis, shift in ((0, 16 - hand_y), (1, 16 - hand_x)):
        whole, rest = int(shift), np.float32(shift % 1)
        near, far = (picture.take(range(n, n + SIZE), axis) for n in (whole, whole + 1))
        picture = near + (far - near) * rest
    return picture


def draw_frame(index: int) -> NDArray[np.uint8]:
    """Paint one frame: [SIZE, SIZE, 3]."""
    moment = index / NUM_FRAMES
    canvas = _framed_plate(*handheld(moment))
    for row in FAR_ROWS:
        draw_row(canvas, row, moment)
        canvas = soften(canvas, 2)
    canvas = canvas.repeat(SUPERSAMPLING, axis=0).repeat(SUPERSAMPLING, axis=1)
    for row in MIDDLE_ROWS:
        draw_row(canvas, row, moment)
    canvas = soften(canvas, 4)
    draw_row(canvas, BEHIND_ROWS[0], moment)
    canvas = soften(canvas, 1)
    draw_row(canvas, BEHIND_ROWS[1], moment)
    drag(canvas, moment, 0.9)
    draw_cat(canvas, moment)
    draw_front_rows(canvas, moment)
    draw_lens_row(canvas, moment)
    draw_seeds(canvas, moment)
    veil, vignette = lens()
    return develop((canvas + veil) * vignette)


def encode(frames: Iterable[NDArray[np.uint8]], path: Path) -> None:
    """Write H.264, its matrix and tags BT.709, with the index in front."""
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        stream.options = {"crf": str(CRF), "preset": "veryslow", "threads": "1"}
        context = stream.codec_context
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        for pixels in frames:
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def main() -> None:
    """Draw the clip into the file named on the command line, else among the timelines."""
    default = Path(__file__).resolve().parents[1] / "timelines" / "meadow.mp4"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    with ProcessPoolExecutor() as pool:
        encode(pool.map(draw_frame, range(NUM_FRAMES), chunksize=4), path)
    print(path)


if __name__ == "__main__":
    main()
