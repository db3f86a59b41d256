"""The cat's head: skull, ears, face and whiskers.

Shapes: canvases and colours are [H, W, 3]; ``local`` is [H, W, 3], points in the head's frame.
Units: the head's frame: side (to the right in a front view), up, forward; 1 is ``HEAD``.
"""

from __future__ import annotations

import numpy as np

from coat import CREAM, GINGER, PINK, STRIPE, fur
from light import light
from paint import Array, f32, mix, smoothstep
from pose import HEAD, Pose
from relief import Capsule, Point, Relief, View, normals

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
            cover = f32(hair * (0.8 - 0.56 * t))
            view.canvas[...] = mix(view.canvas, (1.2, 1.05, 0.8), cover)
