"""How the cat holds its head: the script of the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from motion import keyed, speed, walked, wave
from paint import Array, smoothstep
from relief import Point
from scene import STRIDE

HEAD = 33.0  # unit of the head's own frame, in the cat's units


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
