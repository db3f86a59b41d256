"""Latents to patches and back: two by two latent pixels make one token."""

from __future__ import annotations

from torch import Tensor

from rushes.errors import ShapeError

PATCH = 2  # latent pixels a side that make one token


def patchify(latents: Tensor) -> Tensor:
    """Cut latents into patches; frame, row, column in this order, inside a token the channel first.

    Shapes:
        latents: [B, T, C, H, W]
        returns: [B, T * H/2 * W/2, C * 4]
    Raises: ShapeError when H or W is odd.
    """
    height, width = latents.shape[-2:]
    if height % PATCH or width % PATCH:
        raise ShapeError(f"latent size {width}x{height} is odd; use multiples of 16 pixels")
    cells = latents.unflatten(4, (-1, PATCH)).unflatten(3, (-1, PATCH))  # [B, T, C, h, 2, w, 2]
    return cells.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(1, 3)


def unpatchify(tokens: Tensor, height: int, width: int) -> Tensor:
    """Put the patches of every token in their place; inside a token the channel runs fastest.

    Shapes:
        tokens: [B, T * height * width, 4 * C]
        returns: [B, T, C, 2 * height, 2 * width]
    """
    patches = tokens.unflatten(-1, (PATCH, PATCH, -1)).unflatten(1, (-1, height, width))
    latents = patches.permute(0, 1, 6, 2, 4, 3, 5)  # [B, T, C, height, 2, width, 2]
    return latents.flatten(5, 6).flatten(3, 4)
