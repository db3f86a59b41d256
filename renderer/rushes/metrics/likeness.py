"""The similarity of two clips: PSNR and SSIM."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_WINDOW, _SPREAD = 11, 1.5  # Wang et al. 2004, "Image quality assessment", section III-B
_C1, _C2 = 0.01**2, 0.03**2
BEST_PSNR = 100.0  # for equal pictures, so that means stay finite
LEAST_SIDE = 16  # pixels; the window of SSIM and two levels of the flow must fit


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of every pair of frames, in decibels.

    Shapes:
        first, second: [T, 3, H, W] in [0, 1]
        returns: [T]
    """
    error = (first - second).square().mean(dim=(1, 2, 3))
    return (-10 * error.clamp_min(1e-30).log10()).clamp_max(BEST_PSNR)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity of every pair of frames, over their luminance.

    Shapes:
        first, second: [T, 3, H, W] in [0, 1]; H and W at least 11
        returns: [T]
    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural
    similarity", equation 13
    """
    a, b = luminance(first), luminance(second)
    mean_a, mean_b = _blur(a), _blur(b)
    var_a = _blur(a * a) - mean_a.square()
    var_b = _blur(b * b) - mean_b.square()
    cov = _blur(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + _C1) / (mean_a.square() + mean_b.square() + _C1)
    shape = (2 * cov + _C2) / (var_a + var_b + _C2)
    return (light * shape).mean(dim=(1, 2, 3))


def luminance(frames: Tensor) -> Tensor:
    """Return the luminance of BT.601.

    Shapes:
        frames: [T, 3, H, W]
        returns: [T, 1, H, W]
    """
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (frames * weights).sum(dim=1, keepdim=True)


def _blur(x: Tensor) -> Tensor:
    offsets = torch.arange(_WINDOW) - _WINDOW // 2
    bell = torch.exp(-offsets.square() / (2 * _SPREAD**2))
    bell = bell / bell.sum()
    across = functional.conv2d(x, bell.view(1, 1, 1, -1))
    return functional.conv2d(across, bell.view(1, 1, -1, 1))
