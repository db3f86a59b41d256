"""The whole cat, painted far legs first and head last.

Shapes: the canvas is [H, W, 3], SUPERSAMPLING samples a stage pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coat import COATS, fur
from head import draw_head
from light import light
from motion import camera_x, handheld, speed, walked, wave
from paint import Array, f32, noise, sample, smoothstep
from pose import head_pose
from relief import Capsule, Relief, View, normals
from scene import CAT_SCALE, GROUND, STRIDE, SUPERSAMPLING
from skeleton import front_leg, hind_leg, tail, torso

CAT_X = 246.0  # where the cat stands in the frame, in stage pixels


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
    x = f32((columns - CAT_X - walked(moment) + camera_x(moment) - hand_x) / CAT_SCALE)
    y = f32((GROUND + hand_y - rows) / CAT_SCALE)
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
