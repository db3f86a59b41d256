"""A board that a worker's parent and its child both see: wishes one way, news the other way.

It is memory shared across the fork, so nothing waits for anybody, and a child that dies leaves its
last words.
"""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import asdict, dataclass
from typing import Literal

_SIZE = 4096
_LENGTH = struct.Struct("<I")
_DRAIN, _TEXT = 0, 8  # places on the board

ChildStatus = Literal["idle", "loading", "busy"]


@dataclass(frozen=True, slots=True)
class Activity:
    """What the child does: the pipeline that it holds, and the attempt it is at."""

    status: ChildStatus = "idle"
    preset: str | None = None
    job: str = ""
    fence: int = 0
    chunk: int = 0
    pid: int = 0  # of the child


class SharedStatus:
    """Make it before the fork; every child of the parent then sees the same one."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._last = Activity()
        self.write(self._last)

    @property
    def is_draining(self) -> bool:
        """Whether the worker is to save, hand its job back and end."""
        return self._memory[_DRAIN] != 0

    def drain(self) -> None:
        """Ask the child to come to an end; safe in a signal handler."""
        self._memory[_DRAIN] = 1

    def write(self, activity: Activity) -> None:
        """Say what is being done; for the child."""
        text = json.dumps(asdict(activity)).encode()
        if len(text) > _SIZE - _TEXT - _LENGTH.size:
            raise ValueError(f"{len(text)} bytes do not fit on the board")
        self._memory[_TEXT : _TEXT + _LENGTH.size + len(text)] = _LENGTH.pack(len(text)) + text

    def read(self) -> Activity:
        """Return what the child said; what it is just writing is not seen yet."""
        (length,) = _LENGTH.unpack(self._memory[_TEXT : _TEXT + _LENGTH.size])
        start = _TEXT + _LENGTH.size
        try:
            self._last = Activity(**json.loads(self._memory[start : start + length]))
        except (ValueError, TypeError):  # half of the old text, half of the new one
            pass
        return self._last
