"""How steadily a clip moves: warp error along the input's motion, flicker, and drift of style."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rushes.metrics.flow import optical_flow, warp

_SEEN_AGAIN = 0.02  # squared error up to which a pixel of the input counts as found again
STYLE_SIDE = 16  # pixels a side to which frames are shrunk for their style


def warp_error(frames: Tensor, reference: Tensor) -> Tensor:
    """Return how badly each frame continues the one before along the motion of the reference.

    Pixels that the reference itself does not show again (they were hidden, or the flow is wrong)
    do not count.

    Shapes:
        frames, reference: [T, 3, H, W] in [0, 1]
        returns: [T - 1], mean squared error
    Source: arXiv:2511.07399, section 5.2 (warp error; there by RAFT)
    """
    flow = optical_flow(reference)
    found = (warp(reference[:-1], flow) - reference[1:]).square().mean(1) < _SEEN_AGAIN  # [T-1,H,W]
    error = (warp(frames[:-1], flow) - frames[1:]).square().mean(1)
    counted: Tensor = (error * found).sum((1, 2)) / found.sum((1, 2)).clamp_min(1)
    return counted


def flicker(frames: Tensor) -> Tensor:
    """Return how far each frame is from the mean of its neighbours: [T - 2].

    Steady motion and slow change give small values; what comes and goes gives large ones.

    Shapes:
        frames: [T, 3, H, W] in [0, 1]
    """
    middle = (frames[:-2] + frames[2:]) / 2
    return (frames[1:-1] - middle).square().mean(dim=(1, 2, 3))


def style(frames: Tensor) -> Tensor:
    """Return the style of each frame, independent of motion: colours and their spread.

    Shapes:
        frames: [T, 3, H, W] in [0, 1]
        returns: [T, 18]: mean and deviation of each channel, over the whole, top and bottom
    """
    small = functional.adaptive_avg_pool2d(frames, STYLE_SIDE)
    half = STYLE_SIDE // 2
    parts = (small, small[:, :, :half], small[:, :, half:])
    means = [part.mean(dim=(2, 3)) for part in parts]
    deviations = [part.flatten(2).std(dim=2) for part in parts]
    return torch.cat((*means, *deviations), dim=1)


def drift(styles: Tensor, num_first: int) -> Tensor:
    """Return every frame's distance of style from the first frames' mean: [T].

    Shapes:
        styles: [T, 18], from ``style``
    """
    distances: Tensor = (styles - styles[:num_first].mean(0)).norm(dim=1)
    return distances
