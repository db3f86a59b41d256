"""The fingerprint of a result: SHA-256 of all its RGB frames in order, before video encoding."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


class FrameHash:
    """SHA-256 over frames as they come; how they are grouped makes no difference."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, frames: NDArray[np.uint8]) -> None:
        """Take the next frames.

        Shapes:
            frames: [T, H, W, 3]
        """
        self._hash.update(np.ascontiguousarray(frames).data)

    def hexdigest(self) -> str:
        """Return the hash of all frames so far."""
        return self._hash.hexdigest()
