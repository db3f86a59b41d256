"""Clips as training data: drawn by the world, and the shipped film as a taste of real footage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rushes_training.world import Motion

FOOTAGE_SIZE = 256
# Where the cat of the shipped film is: measured on its frames.
FOOTAGE_CAT = (-0.08, 0.19, 0.64)  # x, y, size, in the units of ``Motion``
FOOTAGE_STRIDES = 3


def load_footage(path: Path) -> Tensor:
    """Read the shipped film.

    Shapes:
        returns: [T, 3, 256, 256] in [-1, 1]
    """
    with av.open(str(path)) as container:
        frames = [
            frame.to_ndarray(format="rgb24", width=FOOTAGE_SIZE, height=FOOTAGE_SIZE)
            for frame in container.decode(video=0)
        ]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


@dataclass(frozen=True)
class Framing:
    """A cut-out of the film: the middle and half the side of a square, perhaps mirrored."""

    x: float
    y: float
    half: float
    mirrored: bool


def random_framing(generator: torch.Generator) -> Framing:
    """Choose a cut-out that keeps the cat in the picture."""
    share = torch.rand(4, generator=generator).tolist()
    half = 1.0 - 0.18 * share[0]
    room = 1.0 - half
    return Framing(room * (2 * share[1] - 1), room * (2 * share[2] - 1), half, share[3] < 0.4)


def cut_footage(footage: Tensor, start: int, count: int, framing: Framing, size: int) -> Tensor:
    """Return some frames of the looping film in a framing.

    Shapes:
        returns: [count, 3, size, size]
    """
    frames = footage[(start + torch.arange(count)) % len(footage)]
    middle_x = (framing.x + 1) / 2 * FOOTAGE_SIZE
    middle_y = (framing.y + 1) / 2 * FOOTAGE_SIZE
    reach = framing.half * FOOTAGE_SIZE / 2
    top, left = round(middle_y - reach), round(middle_x - reach)
    side = round(2 * reach)
    cut = frames[:, :, top : top + side, left : left + side]
    cut = functional.interpolate(cut, (size, size), mode="area")
    return cut.flip(-1) if framing.mirrored else cut


def footage_motion(start: int, count: int, total: int, framing: Framing) -> Motion:
    """Describe what the cat of the film does in a framing, as a motion of the world."""
    time = (start + torch.arange(count)) % total
    phase = FOOTAGE_STRIDES * walked_share(time / total)
    sign = -1.0 if framing.mirrored else 1.0
    x, y, size = FOOTAGE_CAT
    ones = torch.ones(count)
    return Motion(
        verb="walks",
        x=sign * (x - framing.x) / framing.half * ones,
        y=(y - framing.y) / framing.half * ones,
        size=size / framing.half * ones,
        facing=sign * ones,
        phase=phase,
        shake=torch.zeros(count, 2),
    )


def walked_share(moment: Tensor) -> Tensor:
    """How much of its way the cat of the film has gone at a share of the loop: it pauses once.

    Source: tools/meadow/motion.py (speed)
    """
    grid = torch.linspace(0, 1, 961)
    pace = 1 - smoothstep(0.40, 0.50, grid) * (1 - smoothstep(0.84, 0.94, grid))
    way = torch.cumsum(pace, 0) / pace.sum()
    return way[(moment * 960).long()]


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    share = ((x - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)
