"""The little world: a subject in a coat, at a place, in motion; clips of it and their captions.

What happens (``Motion``) is apart from who does it and where (``Look``), so that the same motion
can be filmed again with other looks. That is what video to video is taught with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rushes_training.creatures import COATS, FEET, KINDS, Coat, Layer
from rushes_training.places import PLACES, mix, soft

MOTIONS = ("stands", "walks", "runs", "turns")
STEPS_PER_FRAME = {"stands": 0.0, "walks": 1 / 24, "runs": 1 / 12, "turns": 1 / 24}
_FRAMES_AT_ONCE = 32


@dataclass(frozen=True)
class Look:
    """Who and where: keys of ``KINDS``, ``COATS`` and ``PLACES``."""

    kind: str
    coat: str
    place: str


@dataclass(frozen=True)
class Motion:
    """What happens, frame by frame; positions over the frame are -1 to 1, y down.

    Shapes:
        x, y: [T], where the middle of the subject is
        size: [T], its half length
        facing: [T], 1 to the right, -1 to the left, between them while it turns
        phase: [T], steps taken
        shake: [T, 2], how far the camera was pushed
    """

    verb: str
    x: Tensor
    y: Tensor
    size: Tensor
    facing: Tensor
    phase: Tensor
    shake: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def part(self, frames: slice | Tensor) -> Motion:
        """Return some of the frames, by index."""
        tracks = ("x", "y", "size", "facing", "phase", "shake")
        return replace(self, **{name: getattr(self, name)[frames] for name in tracks})


def random_look(generator: torch.Generator) -> Look:
    """Choose a look; every one is equally likely."""
    return Look(*(choose(tuple(names), generator) for names in (KINDS, COATS, PLACES)))


def choose(names: tuple[str, ...], generator: torch.Generator) -> str:
    return names[int(torch.randint(len(names), (), generator=generator))]


def random_motion(num_frames: int, generator: torch.Generator, shaken: bool = True) -> Motion:
    """Make up a motion: a slow way over the frame, steps, perhaps a turn and a shaking hand."""

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((), generator=generator)

    time = torch.arange(num_frames, dtype=torch.float32)
    verb = choose(MOTIONS, generator)
    pace = STEPS_PER_FRAME[verb]
    phase = torch.rand((), generator=generator) + pace * between(0.8, 1.2) * time
    side = 1.0 if torch.rand((), generator=generator) < 0.6 else -1.0
    facing = torch.full((num_frames,), side)
    if verb == "turns":
        middle = between(0.2, 0.8) * num_frames
        facing = side * torch.tanh((middle - time) / 2.5)
    reach = between(0.05, 0.4) * (verb != "stands")
    cycle = between(48, 128)
    x = between(-0.25, 0.2) + reach * torch.sin(2 * math.pi * (time / cycle + between(0, 1)))
    hop = 0.05 * (phase * 2 * math.pi).sin().abs() if verb == "runs" else torch.zeros(num_frames)
    y = between(0.05, 0.35) - hop
    shake = torch.zeros(num_frames, 2)
    if shaken and torch.rand((), generator=generator) < 0.4:
        speeds, starts = torch.rand(2, 2, generator=generator)
        shake = 0.04 * torch.sin(time[:, None] * (0.4 + speeds) + 6.28 * starts)
    size = between(0.5, 0.72).expand(num_frames)
    return Motion(verb, x, y, size, facing, phase, shake)


def caption(look: Look, verb: str) -> str:
    """Describe a clip."""
    return f"a {look.coat} {look.kind} {verb} in the {look.place}"


def film(look: Look, motion: Motion, height: int, width: int) -> Tensor:
    """Draw a clip.

    Shapes:
        returns: [T, 3, height, width], float32 in [-1, 1]
    """
    pieces = [
        _draw(look, motion.part(slice(start, start + _FRAMES_AT_ONCE)), height, width)
        for start in range(0, len(motion), _FRAMES_AT_ONCE)
    ]
    return torch.cat(pieces)


def _draw(look: Look, motion: Motion, height: int, width: int) -> Tensor:
    rows = (torch.arange(height) + 0.5) / height * 2 - 1
    columns = (torch.arange(width) + 0.5) / width * 2 - 1
    x = columns[None, None, :] - motion.shake[:, :1, None] + torch.zeros(1, height, 1)
    y = rows[None, :, None] - motion.shake[:, 1:, None] + torch.zeros(1, 1, width)
    phase = motion.phase[:, None, None]
    picture = PLACES[look.place](x, y, phase)  # [T, H, W, 3]

    size = motion.size[:, None, None]
    facing = motion.facing[:, None, None]
    thin = torch.where(facing < 0, -1.0, 1.0) * facing.abs().clamp_min(0.3)
    u = (x - motion.x[:, None, None]) / (size * thin)
    v = (y - motion.y[:, None, None]) / size
    shadow = torch.hypot(u / 0.9, (v - FEET) / 0.12) - 1
    picture = mix(picture, picture * 0.55, 0.7 * soft(shadow, 0.6))
    coat = COATS[look.coat]
    edge = 2 / (height * size)  # a pixel in the units of the subject
    for layer in KINDS[look.kind](u, v, phase, coat):
        cover = (0.5 - layer.distance / edge).clamp(0, 1)
        picture = mix(picture, _shade(layer, u, v, coat), cover)
    return picture.permute(0, 3, 1, 2) * 2 - 1


def _shade(layer: Layer, u: Tensor, v: Tensor, coat: Coat) -> Tensor:
    """Paint a layer: light from above, markings across, a paler belly, a rim in the sun."""
    if layer.colour is not None:
        return torch.tensor(layer.colour).expand(*u.shape, 3)
    main, below, marks = (
        torch.tensor(c).expand(*u.shape, 3) for c in (coat.main, coat.below, coat.marks)
    )
    paint = mix(main, below, 0.8 * soft(0.16 - v, 0.3) * soft(v - 0.42, 0.2))
    if coat.stripes:
        bars = torch.sin(15 * u + 3 * v)
        paint = mix(paint, marks, coat.stripes * soft(0.45 - bars, 0.5) * soft(v - 0.2, 0.3))
    light = layer.light * (1.06 - 0.16 * (v + 0.2).clamp(-1, 1))
    rim = 0.35 * soft(-layer.distance - 0.05, 0.08) * soft(v + 0.1, 0.6)
    return (paint * light.unsqueeze(-1) + rim.unsqueeze(-1)).clamp(0, 1)
