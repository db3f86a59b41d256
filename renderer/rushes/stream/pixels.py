"""Bytes and pixels: [0, 255] at the video's edge, [-1, 1] inside."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def to_pixels(frames: Tensor) -> Tensor:
    """Turn bytes into pixels.

    Shapes:
        frames: [T, H, W, 3], uint8
        returns: [1, T, 3, H, W], float32 in [-1, 1]
    """
    return frames.permute(0, 3, 1, 2).unsqueeze(0).float() / 255 * 2 - 1


def to_bytes(pixels: Tensor) -> Tensor:
    """Turn pixels into bytes, truncated as in both references.

    Shapes:
        pixels: [1, T, 3, H, W]
        returns: [T, H, W, 3], uint8
    """
    shares = pixels[0].float().clamp(-1, 1) / 2 + 0.5
    return (shares * 255).to(torch.uint8).permute(0, 2, 3, 1)


def cover_image(image: Tensor, height: int, width: int) -> Tensor:
    """Scale a reference image until it covers a size, and cut out its middle.

    Shapes:
        image: [H, W, 3], uint8
        returns: [1, 1, 3, height, width], float32 in [-1, 1]
    Source: scope: src/scope/core/pipelines/wan2_1/vace/utils
    """
    pixels = to_pixels(image.unsqueeze(0))[0]  # [1, 3, H, W]
    scale = max(width / pixels.shape[3], height / pixels.shape[2])
    # Rounding down may miss the side that decides the scale by one pixel.
    size = (
        max(height, int(pixels.shape[2] * scale)),
        max(width, int(pixels.shape[3] * scale)),
    )
    scaled = functional.interpolate(pixels, size, mode="bilinear", align_corners=False)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return scaled[:, :, top : top + height, left : left + width].unsqueeze(0)
