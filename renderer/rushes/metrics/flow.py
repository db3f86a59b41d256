"""Optical flow between frames, from coarse to fine, and frames moved along it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from rushes.metrics.likeness import luminance

_LEAST_SIDE = 8  # pixels of the coarsest level
_ROUNDS, _WINDOW = 4, 7
_REGULAR = 1e-4  # keeps flat areas still


def optical_flow(frames: Tensor) -> Tensor:
    """Return where every pixel of a frame comes from in the frame before.

    Shapes:
        frames: [T, 3, H, W] in [0, 1]
        returns: [T - 1, 2, H, W], in pixels, right and down
    Source: Lucas and Kanade 1981, "An iterative image registration technique", on a pyramid
    """
    levels = [luminance(frames)]
    while min(levels[-1].shape[-2:]) >= 2 * _LEAST_SIDE:
        levels.append(functional.avg_pool2d(levels[-1], 2))
    flow = torch.zeros(len(frames) - 1, 2, *levels[-1].shape[-2:])
    for level in reversed(levels):
        height, width = level.shape[-2:]
        if flow.shape[-2:] != level.shape[-2:]:
            flow = 2 * functional.interpolate(flow, (height, width), mode="bilinear")
        for _ in range(_ROUNDS):
            flow = flow + _correction(level[:-1], level[1:], flow)
    return flow


def warp(frames: Tensor, flow: Tensor, *, outside: Literal["border", "zeros"] = "border") -> Tensor:
    """Fetch every pixel from where the flow says it comes from.

    What comes from ``outside`` is the nearest pixel of the border, or zeros.

    Shapes:
        frames: [T, C, H, W]
        flow: [T, 2, H, W], in pixels
        returns: [T, C, H, W]
    """
    height, width = frames.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = (columns + flow[:, 0]) * 2 / max(1, width - 1) - 1
    y = (rows + flow[:, 1]) * 2 / max(1, height - 1) - 1
    grid = torch.stack((x, y), dim=-1)  # [T, H, W, 2]
    return functional.grid_sample(frames, grid, padding_mode=outside, align_corners=True)


def _correction(before: Tensor, after: Tensor, flow: Tensor) -> Tensor:
    """Solve for what is still missing, from brightness and slopes over a window."""
    moved = warp(before, flow)
    slope_x, slope_y = _slopes(moved)
    missing = after - moved
    xx, yy, xy, xt, yt = (
        functional.avg_pool2d(product, _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
        for product in (
            slope_x * slope_x,
            slope_y * slope_y,
            slope_x * slope_y,
            slope_x * missing,
            slope_y * missing,
        )
    )
    xx, yy = xx + _REGULAR, yy + _REGULAR
    determinant = xx * yy - xy * xy
    across = (yy * xt - xy * yt) / determinant
    down = (xx * yt - xy * xt) / determinant
    return torch.cat((across, down), dim=1).clamp(-1, 1)


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    wide = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    across = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    return across, down
