"""What moves through the loop: the cat's way, the camera, the hand that holds it.

Units: ``moment`` is 0 to 1 through the loop; distances are stage pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from paint import Array, smoothstep
from scene import NUM_FRAMES, SUPERSAMPLING, TRAVEL


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


def drag(picture: Array, moment: float, depth: float) -> None:
    """Smear a picture sideways, in place, by what it moves while the shutter is half open.

    Shapes:
        picture: [H, W, C], SUPERSAMPLING samples a stage pixel
    """
    moved = abs(camera_x(moment + 0.25 / NUM_FRAMES) - camera_x(moment - 0.25 / NUM_FRAMES))
    half = round(moved * depth * SUPERSAMPLING / 2)
    if half:
        wide = np.pad(picture, [(0, 0), (half + 1, half), (0, 0)], mode="edge")
        total = np.cumsum(wide, axis=1)
        picture[...] = (total[:, 2 * half + 1 :] - total[:, : -2 * half - 1]) / (2 * half + 1)
