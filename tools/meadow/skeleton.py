"""The cat's legs, tail and torso at one moment, as capsules.

Units: the cat's own; ``bob`` is how far the walk lifts the body.
"""

from __future__ import annotations

import numpy as np

from motion import speed, walked, wave
from paint import smoothstep
from relief import Capsule, Point
from scene import CAT_SCALE, STRIDE


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
