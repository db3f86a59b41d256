"""The subjects of the world: what each looks like from the side, as layers of flat shapes.

A creature stands in its own frame: it looks to the right, is about two units long, its feet are at
v = 0.62. ``phase`` counts its steps; all that moves repeats with every whole number of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rushes_training.shapes import Point, capsule, circle, ellipse, square, triangle, union

Colour = tuple[float, float, float]

FEET = 0.62
INK: Colour = (0.09, 0.08, 0.11)


@dataclass(frozen=True)
class Coat:
    """Main colour, the lighter colour below, the colour of the markings, and the eyes'."""

    main: Colour
    below: Colour
    marks: Colour
    eyes: Colour = (0.55, 0.85, 0.35)
    stripes: float = 0.0


COATS = {
    "ginger": Coat((0.93, 0.55, 0.18), (1.0, 0.86, 0.66), (0.74, 0.36, 0.08), stripes=0.5),
    "black": Coat((0.13, 0.12, 0.16), (0.24, 0.22, 0.28), (0.07, 0.06, 0.09)),
    "white": Coat((0.95, 0.94, 0.91), (1.0, 1.0, 1.0), (0.78, 0.77, 0.78), (0.3, 0.6, 0.95)),
    "grey": Coat((0.52, 0.54, 0.58), (0.78, 0.79, 0.82), (0.36, 0.38, 0.42), stripes=0.35),
    "pink": Coat((0.98, 0.52, 0.68), (1.0, 0.80, 0.86), (0.86, 0.32, 0.52), (0.4, 0.95, 0.8)),
    "gold": Coat((0.90, 0.72, 0.34), (0.98, 0.90, 0.66), (0.66, 0.46, 0.16), (0.9, 0.7, 0.1)),
    "red": Coat((0.86, 0.14, 0.14), (0.98, 0.50, 0.42), (0.58, 0.05, 0.08), (1.0, 0.95, 0.5)),
    "blue": Coat((0.18, 0.38, 0.90), (0.58, 0.76, 1.0), (0.08, 0.20, 0.62), (1.0, 0.95, 0.5)),
    "steel": Coat((0.48, 0.56, 0.66), (0.86, 0.92, 0.98), (0.22, 0.27, 0.34), (1.0, 0.12, 0.08)),
    "striped": Coat((0.96, 0.52, 0.10), (1.0, 0.95, 0.88), (0.10, 0.07, 0.06), (1, 0.85, 0.2), 1.0),
}


@dataclass(frozen=True)
class Layer:
    """One shape and how it is painted: by the coat (``None``) or in a colour of its own."""

    distance: Tensor
    colour: Colour | None = None
    light: float = 1.0


def coated(distance: Tensor) -> Layer:
    return Layer(distance)


def behind(distance: Tensor) -> Layer:
    """A part on the far side: the coat in shadow."""
    return Layer(distance, light=0.72)


def eye(u: Tensor, v: Tensor, center: Point, radius: float, coat: Coat) -> list[Layer]:
    pupil = (center[0] + 0.25 * radius, center[1])
    return [
        Layer(circle(u, v, center, radius), coat.eyes),
        Layer(circle(u, v, pupil, 0.55 * radius), INK),
    ]


def swing(phase: Tensor, offset: float = 0.0) -> Tensor:
    return torch.sin(2 * math.pi * (phase + offset))


def leg(
    u: Tensor, v: Tensor, phase: Tensor, offset: float, hip: Point, reach: float, radius: float
) -> Tensor:
    """A leg that swings round its hip, its foot lifted on the way forward."""
    forward = swing(phase, offset)
    lift = 0.09 * swing(phase, offset + 0.25).clamp_min(0)
    foot = (hip[0] + reach * forward, FEET - radius - lift)
    return capsule(u, v, hip, foot, radius)


def four_legs(u: Tensor, v: Tensor, phase: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The far and the near pair."""
    far = union(
        leg(u, v, phase, 0.0, (-0.42, 0.1), 0.2, radius),
        leg(u, v, phase, 0.5, (0.40, 0.1), 0.2, radius),
    )
    near = union(
        leg(u, v, phase, 0.5, (-0.54, 0.1), 0.2, radius),
        leg(u, v, phase, 0.0, (0.28, 0.1), 0.2, radius),
    )
    return far, near


def cat(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    sway = 0.08 * swing(phase)
    far, near = four_legs(u, v, phase, 0.1)
    tail = union(
        capsule(u, v, (-0.66, -0.06), (-0.88, -0.32), 0.075),
        capsule(u, v, (-0.88, -0.32), (-0.98 + sway, -0.68), 0.07),
    )
    body = capsule(u, v, (-0.46, 0.0), (0.34, -0.02), 0.26)
    head = (0.66, -0.36)
    ears = union(
        triangle(u, v, (0.46, -0.46), (0.50, -0.78), (0.68, -0.56)),
        triangle(u, v, (0.68, -0.56), (0.86, -0.78), (0.88, -0.46)),
    )
    face = union(circle(u, v, head, 0.25), ears)
    return [
        behind(union(far, tail)),
        coated(union(near, body)),
        coated(face),
        *eye(u, v, (0.60, -0.38), 0.065, coat),
        *eye(u, v, (0.78, -0.38), 0.065, coat),
        Layer(circle(u, v, (0.72, -0.26), 0.035), (0.85, 0.45, 0.45)),
    ]


def lion(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    layers = cat(u, v, phase, coat)
    angle = torch.atan2(v + 0.36, u - 0.66)
    mane = circle(u, v, (0.64, -0.34), 0.40) - 0.025 * torch.sin(11 * angle)
    tuft = circle(u, v, (-0.98 + 0.08 * swing(phase), -0.70), 0.14)
    brown = (0.42, 0.22, 0.08)
    face = coated(circle(u, v, (0.68, -0.34), 0.23))
    return [*layers[:2], Layer(union(mane, tuft), brown), face, *layers[3:]]


def mouse(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    sway = 0.1 * swing(phase)
    tail = union(
        capsule(u, v, (-0.6, 0.36), (-0.92, 0.24), 0.03),
        capsule(u, v, (-0.92, 0.24), (-1.1, -0.1 + sway), 0.03),
    )
    legs = union(
        leg(u, v, phase, 0.0, (-0.34, 0.36), 0.14, 0.08),
        leg(u, v, phase, 0.5, (0.26, 0.36), 0.14, 0.08),
    )
    body = ellipse(u, v, (-0.12, 0.18), (0.58, 0.40))
    face = union(
        ellipse(u, v, (0.5, 0.0), (0.34, 0.27)), capsule(u, v, (0.6, 0.05), (0.86, 0.12), 0.09)
    )
    return [
        Layer(tail, (0.93, 0.62, 0.62)),
        behind(union(legs, circle(u, v, (0.52, -0.36), 0.23))),
        coated(body),
        coated(face),
        coated(circle(u, v, (0.3, -0.34), 0.28)),
        Layer(circle(u, v, (0.3, -0.33), 0.18), (0.97, 0.70, 0.70)),
        Layer(circle(u, v, (0.62, -0.05), 0.065), INK),
        Layer(circle(u, v, (0.94, 0.12), 0.065), (0.9, 0.4, 0.45)),
    ]


def fish(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    sway = 0.16 * swing(phase)
    tail = triangle(u, v, (-0.5, 0.0), (-1.05, 0.42 + sway), (-1.05, -0.42 + sway))
    fins = union(
        triangle(u, v, (-0.3, -0.25), (-0.1, -0.62), (0.3, -0.25)),
        triangle(u, v, (0.25, 0.25), (-0.05, 0.58 - sway), (-0.15, 0.25)),
    )
    gill = union(circle(u, v, (0.36, 0.0), 0.26), -circle(u, v, (0.42, 0.0), 0.26), largest=True)
    return [
        behind(union(tail, fins)),
        coated(ellipse(u, v, (0.1, 0.0), (0.82, 0.40))),
        Layer(gill, coat.marks),
        *eye(u, v, (0.64, -0.1), 0.1, coat),
    ]


def bird(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    yellow, red = (0.97, 0.70, 0.14), (0.88, 0.14, 0.12)
    nod = 0.05 * swing(phase)
    legs = union(
        leg(u, v, phase, 0.0, (-0.1, 0.3), 0.16, 0.045),
        leg(u, v, phase, 0.5, (0.05, 0.3), 0.16, 0.045),
    )
    tail = triangle(u, v, (-0.35, 0.05), (-0.85, -0.2), (-0.8, -0.62))
    neck = capsule(u, v, (0.3, -0.05), (0.46 + nod, -0.45), 0.17)
    wing = ellipse(u, v, (-0.12, -0.02 + nod), (0.36, 0.19 + 0.06 * swing(phase)))
    beak = triangle(u, v, (0.6 + nod, -0.56), (0.84 + nod, -0.44), (0.6 + nod, -0.38))
    comb = union(circle(u, v, (0.36 + nod, -0.68), 0.09), circle(u, v, (0.5 + nod, -0.7), 0.1))
    return [
        Layer(legs, yellow),
        behind(tail),
        Layer(union(comb, circle(u, v, (0.62 + nod, -0.3), 0.07)), red),
        coated(ellipse(u, v, (-0.05, 0.04), (0.56, 0.36))),
        coated(neck),
        behind(wing),
        Layer(beak, yellow),
        *eye(u, v, (0.5 + nod, -0.48), 0.06, coat),
    ]


def ball(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    turn = 2 * math.pi * phase
    across = u * torch.cos(turn) + v * torch.sin(turn)
    inside = circle(u, v, (0.0, 0.02), 0.6)
    band = union(across.abs() - 0.14, inside, largest=True)
    shine = ellipse(u, v, (-0.2, -0.26), (0.13, 0.09))
    return [coated(inside), Layer(band, coat.below), Layer(shine, (1.0, 1.0, 1.0))]


def box(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    lean = 0.12 * swing(phase)
    turned = u + lean * (v - FEET)
    lid = square(turned, (v + 0.42) / 0.22, 0.66, 0.08) * 0.22
    side = square(turned, v - 0.06, 0.56, 0.06)
    ribbon = union(turned.abs() - 0.11, union(side, lid), largest=True)
    bow = union(
        ellipse(turned, v, (-0.18, -0.66), (0.18, 0.1)),
        ellipse(turned, v, (0.18, -0.66), (0.18, 0.1)),
    )
    return [coated(side), behind(lid), Layer(union(ribbon, bow), coat.below)]


def blast(u: Tensor, v: Tensor, phase: Tensor, coat: Coat) -> list[Layer]:
    """A mushroom of fire; it wears no coat."""
    boil = 0.05 * swing(phase)
    puffs = ((-0.5, -0.2, 0.34), (0.5, -0.2, 0.34), (-0.2, -0.42, 0.4), (0.24, -0.44, 0.4))
    clouds = [circle(u, v, (x, y), r + boil) for x, y, r in puffs]
    inner = [circle(u, v, (0.85 * x, y), 0.66 * r + boil) for x, y, r in puffs]
    stem = capsule(u, v, (0.0, -0.2), (0.0, 0.5), 0.2 - boil)
    foot = ellipse(u, v, (0.0, 0.56), (0.75 + boil, 0.14))
    return [
        Layer(union(*clouds, foot), (0.34, 0.20, 0.20)),
        Layer(union(*inner, stem), (0.98, 0.50, 0.10)),
        Layer(circle(u, v, (0.0, -0.3), 0.3 - boil), (1.0, 0.93, 0.62)),
    ]


KINDS: dict[str, Callable[[Tensor, Tensor, Tensor, Coat], list[Layer]]] = {
    "cat": cat,
    "lion": lion,
    "mouse": mouse,
    "fish": fish,
    "bird": bird,
    "ball": ball,
    "box": box,
    "blast": blast,
}
