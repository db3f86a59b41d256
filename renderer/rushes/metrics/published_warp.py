"""Warp error as the paper defines it, and as its published code computes it.

The flow is that of the reference, between each frame and the next, in both directions. A frame of
the result is moved along it and compared with the next one, where the flow is consistent.

The published code subtracts bytes, which wrap: a difference of -1 counts as 255. So an error of one
or two levels becomes about a hundred, which is the range of the paper's tables. The code also masks
what is hidden in the earlier frame, although it compares in the later one, and fills black in from
outside.
Source: sdv2 (branch user-study): evaluation/warp_error.py
"""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.metrics.flow import warp

_ALPHA, _BETA = 0.01, 0.5  # UnFlow (arXiv:1711.07837), section 3.2
_BYTES = 256


def warp_errors(
    before: Tensor, after: Tensor, forward: Tensor, backward: Tensor
) -> tuple[float, float]:
    """Return the error of one step as defined, and as the published code computes it.

    ``forward`` says where each pixel of the reference's earlier frame goes, ``backward`` where each
    of its later frame comes from.

    Shapes:
        before, after: [H, W, 3], uint8
        forward, backward: [2, H, W], in pixels, right and down
    Units: levels of 255, mean over pixels and channels.
    """
    earlier, later = (frame.permute(2, 0, 1).float() for frame in (before, after))  # [3, H, W]
    inside = warp(torch.ones_like(earlier[:1])[None], backward[None], outside="zeros")[0, 0] > 0.999
    meant = (warp(earlier[None], backward[None])[0] - later).abs().mean(dim=0)
    seen = ~hidden(backward, forward) & inside
    moved = warp(earlier[None], backward[None], outside="zeros")[0].round()
    wrapped = (moved - later).remainder(_BYTES).mean(dim=0)
    return _mean(meant, seen), _mean(wrapped, ~hidden(forward, backward))


def hidden(flow: Tensor, other: Tensor) -> Tensor:
    """Say for each pixel whether following one flow and then the other does not lead back.

    Shapes:
        flow, other: [2, H, W], from one frame to another and back
        returns: [H, W]
    """
    back = warp(other[None], flow[None], outside="zeros")[0]
    limit = _ALPHA * (flow.norm(dim=0) + other.norm(dim=0)) + _BETA
    is_hidden: Tensor = (flow + back).norm(dim=0) > limit
    return is_hidden


def _mean(values: Tensor, where: Tensor) -> float:
    return float((values * where).sum() / where.sum().clamp_min(1))
