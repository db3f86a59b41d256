"""Signed distances of flat shapes, for many frames at once; negative inside.

Shapes:
    u, v: [N, H, W], coordinates; all functions return [N, H, W]
    numbers such as a radius may be [N, 1, 1], one a frame
"""

from __future__ import annotations

import torch
from torch import Tensor

Number = float | Tensor
Point = tuple[Number, Number]


def circle(u: Tensor, v: Tensor, center: Point, radius: Number) -> Tensor:
    return torch.hypot(u - center[0], v - center[1]) - radius


def ellipse(u: Tensor, v: Tensor, center: Point, radii: Point) -> Tensor:
    """Distance in units of the smaller radius: exact at the outline, good enough elsewhere."""
    across, down = radii
    least = torch.minimum(torch.as_tensor(across), torch.as_tensor(down))
    return (torch.hypot((u - center[0]) / across, (v - center[1]) / down) - 1) * least


def capsule(u: Tensor, v: Tensor, start: Point, end: Point, radius: Number) -> Tensor:
    """A line with round ends."""
    du, dv = end[0] - start[0], end[1] - start[1]
    pu, pv = u - start[0], v - start[1]
    share = ((pu * du + pv * dv) / (du * du + dv * dv)).clamp(0, 1)
    return torch.hypot(pu - share * du, pv - share * dv) - radius


def triangle(u: Tensor, v: Tensor, a: Point, b: Point, c: Point) -> Tensor:
    """The inside of three edges, corners given clockwise as seen with v pointing down."""
    edges = []
    for start, end in ((a, b), (b, c), (c, a)):
        du, dv = end[0] - start[0], end[1] - start[1]
        length = torch.hypot(torch.as_tensor(du), torch.as_tensor(dv))
        edges.append(((u - start[0]) * dv - (v - start[1]) * du) / length)
    return union(*(edge for edge in edges), largest=True)


def square(u: Tensor, v: Tensor, half: float, rounding: float) -> Tensor:
    over_u, over_v = u.abs() - half + rounding, v.abs() - half + rounding
    outside = torch.hypot(over_u.clamp_min(0), over_v.clamp_min(0))
    return outside + torch.maximum(over_u, over_v).clamp_max(0) - rounding


def union(*distances: Tensor, largest: bool = False) -> Tensor:
    """Join shapes; with ``largest`` keep what they have in common."""
    joined = distances[0]
    for distance in distances[1:]:
        joined = torch.maximum(joined, distance) if largest else torch.minimum(joined, distance)
    return joined
