"""Make the pictures of a small model large enough to be looked at in a player."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def enlarged(frames: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Return the frames so many times as wide and high, by Lanczos interpolation.

    Shapes:
        frames: [T, H, W, 3], RGB
        returns: [T, times * H, times * W, 3]
    """
    if times == 1:
        return frames
    size = frames.shape[2] * times, frames.shape[1] * times
    large = [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames]
    return np.stack([np.asarray(picture) for picture in large])
