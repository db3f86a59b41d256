"""A relief: capsules give a height, a soft maximum joins them into one body.

Shapes: heights, distances and coordinates are [H, W], colours [H, W, 3]; one entry a sample.
Units: the cat's own: x to the right, y up from the ground, z to the camera.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from paint import Array, f32, mix, smoothstep
from scene import CAT_SCALE, SUPERSAMPLING

Point = tuple[float, float, float]


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
        color = coat(x, y, f32(along + bar.start), f32(across))
        self.join(f32(height), f32(away - radius), color, part)

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
    """Turn a height into unit normals: [H, W, 3]."""
    down, right = np.gradient(height, 1 / (SUPERSAMPLING * CAT_SCALE))
    normal = np.stack([-right, down, np.ones_like(height)], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)
