"""The fingerprint of a result: SHA-256 of all its RGB frames in order, before video encoding."""

from __future__ import annotations

from typing import Self

import numpy as np
import rehashes
from numpy.typing import NDArray


class FrameHash:
    """SHA-256 over frames in order; how they are grouped makes no difference."""

    def __init__(self) -> None:
        self._hash = rehashes.PySha256()

    def update(self, frames: NDArray[np.uint8]) -> None:
        """Take the next frames.

        Shapes:
            frames: [T, H, W, 3]
        """
        self._hash.update(frames.tobytes())

    def hexdigest(self) -> str:
        """Return the hash of all frames so far."""
        return str(self._hash.finalize())

    def state(self) -> str:
        """Return the state of the hash, in hexadecimal, for ``resumed``."""
        return bytes(self._hash.serialize()).hex()

    @classmethod
    def resumed(cls, state: str) -> Self:
        """Continue from the state of another hash. Raises: ValueError when it is not a state."""
        frame_hash = cls()
        frame_hash._hash = rehashes.PySha256.deserialize(bytes.fromhex(state))
        return frame_hash
