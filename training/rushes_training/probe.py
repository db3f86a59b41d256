"""What a clip shows, found by drawing it again.

Nothing is trained. The motion being known, every look is drawn in it, and the clip shows each look
as likely as it is near to that film, both seen through a soft lens. Likewise a look being known,
its position is found by drawing it everywhere along the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from rushes_training.creatures import COATS, KINDS
from rushes_training.places import PLACES
from rushes_training.world import Look, Motion, film

_SIDE = 20  # pixels a side of what the soft lens sees
_SHARPNESS = 0.002  # mean squared difference (range 2) that makes a film e times less likely
_REACH, _NUM_PLACES = 0.7, 29  # how far from the middle, and at how many points, x is looked for
_NAMES = {"kind": list(KINDS), "coat": list(COATS), "place": list(PLACES)}


@dataclass(frozen=True)
class Reading:
    """The chances of every kind, coat and place, in every frame.

    Shapes:
        kind, coat, place: [T, number of them]
    """

    kind: Tensor
    coat: Tensor
    place: Tensor

    def chance(self, attribute: str, name: str) -> Tensor:
        """Return how likely frames show a kind, coat or place: [T]."""
        chances: Tensor = getattr(self, attribute)[:, _NAMES[attribute].index(name)]
        return chances

    def shows(self, attribute: str, look: Look) -> Tensor:
        """Return in which frames the likeliest kind, coat or place is that of a look: [T]."""
        best = getattr(self, attribute).argmax(1)
        found: Tensor = best == _NAMES[attribute].index(getattr(look, attribute))
        return found


@torch.inference_mode()
def recognise(frames: Tensor, motion: Motion) -> Reading:
    """Find out who and where is shown.

    Shapes:
        frames: [T, 3, H, W] in [-1, 1], of the frames of the motion
    """
    seen = _through_lens(frames)
    distances = torch.stack(
        [
            (seen - _through_lens(film(Look(*look), motion, _SIDE, _SIDE))).square().mean(1)
            for look in product(*_NAMES.values())
        ],
        dim=1,
    )
    chances = (-distances / _SHARPNESS).softmax(dim=1)
    chances = chances.unflatten(1, [len(names) for names in _NAMES.values()])
    return Reading(kind=chances.sum((2, 3)), coat=chances.sum((1, 3)), place=chances.sum((1, 2)))


@torch.inference_mode()
def locate(frames: Tensor, look: Look, motion: Motion) -> Tensor:
    """Return where the subject is, -1 to 1, whatever x the motion has: [T].

    Shapes:
        frames: [T, 3, H, W] in [-1, 1]
    """
    seen = _through_lens(frames)
    places = torch.linspace(-_REACH, _REACH, _NUM_PLACES)
    distances = torch.stack(
        [
            (seen - _through_lens(film(look, _moved(motion, x), _SIDE, _SIDE))).square().mean(1)
            for x in places.tolist()
        ],
        dim=1,
    )
    return ((-distances / _SHARPNESS).softmax(dim=1) * places).sum(1)


def _moved(motion: Motion, x: float) -> Motion:
    return replace(motion, x=torch.full_like(motion.x, x))


def _through_lens(frames: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(frames, _SIDE).flatten(1)
