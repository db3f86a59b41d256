"""The places of the world, painted from top to bottom; what moves repeats with every step.

Shapes, of every painter:
    x, y: [N, H, W], -1 to 1 over the frame, y down
    phase: [N, 1, 1], steps taken; the ground passes by with them
    returns: [N, H, W, 3], 0 to 1
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Colour = tuple[float, float, float]

HORIZON = -0.38


def paint(colour: Colour, like: Tensor) -> Tensor:
    return torch.tensor(colour).expand(*like.shape, 3)


def mix(below: Tensor, above: Tensor, share: Tensor) -> Tensor:
    return below + (above - below) * share.unsqueeze(-1)


def ramp(y: Tensor, top: float, bottom: float, above: Colour, below: Colour) -> Tensor:
    """A vertical gradient between two heights."""
    share = ((y - top) / (bottom - top)).clamp(0, 1)
    return mix(paint(above, y), paint(below, y), share)


def soft(distance: Tensor, width: float = 0.03) -> Tensor:
    """1 where a distance is negative, with a soft edge."""
    return (0.5 - distance / width).clamp(0, 1)


def waves(x: Tensor, *terms: tuple[float, float, float]) -> Tensor:
    """Sum sines of (amplitude, cycles over the frame's width, phase in cycles)."""
    total = torch.zeros_like(x)
    for amplitude, cycles, phase in terms:
        total = total + amplitude * torch.sin(2 * math.pi * (cycles * x / 2 + phase))
    return total


def passing(x: Tensor, phase: Tensor, cycles: int) -> Tensor:
    """Coordinate of something on the ground that repeats ``cycles`` times over the width."""
    return x + 2 * phase / cycles


def meadow(x: Tensor, y: Tensor, phase: Tensor) -> Tensor:
    picture = ramp(y, -1.0, HORIZON, (0.62, 0.74, 0.90), (0.99, 0.92, 0.80))
    hedge = HORIZON - 0.14 + waves(x, (0.06, 3, 0.1), (0.04, 7, 0.4))
    picture = mix(picture, paint((0.48, 0.62, 0.42), y), soft(hedge - y, 0.08))
    field = ramp(y, HORIZON, 1.0, (0.66, 0.76, 0.36), (0.20, 0.44, 0.12))
    picture = mix(picture, field, soft(HORIZON - y, 0.05))
    tips = 0.62 + waves(passing(x, phase, 8), (0.09, 8, 0.0), (0.05, 16, 0.3))
    picture = mix(picture, paint((0.14, 0.36, 0.10), y), 0.75 * soft(tips - y, 0.06))
    flowers = waves(passing(x, phase, 4), (1.0, 4, 0.15)) * waves(y, (1.0, 9, 0.2))
    daisies = soft(0.93 - flowers, 0.1) * soft(0.35 - y, 0.1)
    return mix(picture, paint((1.0, 0.97, 0.85), y), daisies)


def sea(x: Tensor, y: Tensor, phase: Tensor) -> Tensor:
    picture = ramp(y, -1.0, HORIZON, (0.50, 0.78, 0.95), (0.90, 0.96, 0.98))
    sun = torch.hypot(x - 0.62, y + 0.72) - 0.14
    picture = mix(picture, paint((1.0, 0.96, 0.76), y), soft(sun, 0.06))
    water = ramp(y, HORIZON, 1.0, (0.16, 0.58, 0.74), (0.02, 0.22, 0.48))
    picture = mix(picture, water, soft(HORIZON - y, 0.03))
    for height, cycles, light in ((-0.12, 6, 0.35), (0.24, 4, 0.45), (0.66, 3, 0.55)):
        crest = height + waves(passing(x, phase, cycles), (0.05, cycles, height))
        foam = soft((y - crest).abs() - 0.025, 0.05)
        picture = mix(picture, paint((0.78, 0.94, 0.97), y), light * foam)
    return picture


def city(x: Tensor, y: Tensor, phase: Tensor) -> Tensor:
    picture = ramp(y, -1.0, 0.3, (0.04, 0.05, 0.16), (0.26, 0.18, 0.40))
    moon = torch.hypot(x + 0.62, y + 0.70) - 0.13
    picture = mix(picture, paint((0.98, 0.95, 0.80), y), soft(moon, 0.04))
    column = torch.floor((x + 1.2) / 0.3)
    roof = -0.42 + 0.26 * torch.sin(12.9 * column)
    inside = soft(roof - y, 0.03) * soft(y - 0.42, 0.02)
    picture = mix(picture, paint((0.10, 0.10, 0.20), y), inside)
    lit_u = ((x + 1.2) / 0.15).frac() - 0.5
    lit_v = ((y + 1.2) / 0.2).frac() - 0.5
    window = soft(torch.maximum(lit_u.abs() - 0.24, lit_v.abs() - 0.26), 0.15)
    is_lit = torch.sin(7.7 * torch.floor((x + 1.2) / 0.15) + 5.1 * torch.floor((y + 1.2) / 0.2)) > 0
    lights = window * is_lit * soft(roof + 0.08 - y, 0.03) * soft(y - 0.36, 0.02)
    picture = mix(picture, paint((1.0, 0.80, 0.36), y), lights)
    street = ramp(y, 0.42, 1.0, (0.16, 0.15, 0.24), (0.07, 0.07, 0.13))
    picture = mix(picture, street, soft(0.42 - y, 0.02))
    dash = waves(passing(x, phase, 4), (1.0, 4, 0.0))
    marks = soft(0.1 - dash, 0.3) * soft((y - 0.82).abs() - 0.035, 0.03)
    return mix(picture, paint((0.86, 0.80, 0.52), y), marks)


def fire(x: Tensor, y: Tensor, phase: Tensor) -> Tensor:
    picture = ramp(y, -1.0, 0.4, (0.16, 0.05, 0.07), (0.62, 0.14, 0.05))
    rising = 2 * math.pi * phase
    for base, height, colour, cycles, offset in (
        (-0.10, 0.34, (0.86, 0.26, 0.05), 4, 0.0),
        (0.26, 0.26, (0.98, 0.52, 0.08), 5, 0.3),
        (0.62, 0.18, (1.0, 0.84, 0.34), 6, 0.6),
    ):
        flicker = 0.06 * torch.sin(rising + 6 * x + 9 * offset)
        tongues = waves(x, (1.0, cycles, offset)).abs().sqrt()
        tips = base - height * tongues + flicker
        picture = mix(picture, paint(colour, y), 0.85 * soft(tips - y, 0.10))
    ground = ramp(y, 0.8, 1.0, (0.30, 0.10, 0.06), (0.10, 0.05, 0.05))
    return mix(picture, ground, soft(0.82 + waves(x, (0.03, 5, 0.2)) - y, 0.05))


def snow(x: Tensor, y: Tensor, phase: Tensor) -> Tensor:
    picture = ramp(y, -1.0, HORIZON + 0.2, (0.60, 0.70, 0.84), (0.90, 0.93, 0.97))
    cell = ((x + 1.3) / 0.42).frac() - 0.5
    tall = 0.10 * torch.sin(9.1 * torch.floor((x + 1.3) / 0.42))
    firs = torch.maximum(cell.abs() * 0.42 - 0.30 * (y + 0.86 + tall), y + 0.2)
    picture = mix(picture, paint((0.34, 0.48, 0.52), y), 0.85 * soft(firs, 0.04))
    hill = HORIZON + 0.16 + waves(x, (0.06, 1, 0.1), (0.03, 3, 0.5))
    ground = ramp(y, HORIZON, 1.0, (0.97, 0.98, 1.0), (0.76, 0.84, 0.94))
    picture = mix(picture, ground, soft(hill - y, 0.04))
    drift = 0.5 + waves(passing(x, phase, 3), (0.06, 3, 0.2))
    picture = mix(picture, paint((0.66, 0.76, 0.90), y), 0.6 * soft((y - drift).abs() - 0.03, 0.1))
    flake_u = ((x + 1.5 + 0.1 * torch.floor((y + 2) / 0.4)) / 0.36).frac() - 0.5
    flake_v = ((y + 2 - 0.4 * phase) / 0.4).frac() - 0.5
    flakes = soft(torch.hypot(flake_u * 0.36, flake_v * 0.4) - 0.03, 0.03)
    return mix(picture, paint((1.0, 1.0, 1.0), y), 0.9 * flakes)


PLACES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "meadow": meadow,
    "sea": sea,
    "city": city,
    "fire": fire,
    "snow": snow,
}
