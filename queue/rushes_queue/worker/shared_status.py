"""Memory that a worker's parent and its child share: requests one way, status the other way.

A child that renders several jobs at the same time has a row of the memory for each. It is shared
across the fork: nobody waits for anybody, and what a child that dies wrote last can be read.
"""

from __future__ import annotations

import json
import mmap
import struct
from copy import copy
from dataclasses import asdict, dataclass
from typing import Literal

_SIZE = 4096
_LENGTH = struct.Struct("<I")
_DRAIN, _TEXT = 0, 8  # offsets in the memory

ChildStatus = Literal["idle", "loading", "busy"]

_BUSY = ("idle", "loading", "busy")


@dataclass(frozen=True, slots=True)
class Activity:
    """What the child does: the preset that it has loaded, and the attempt that it works on."""

    status: ChildStatus = "idle"
    preset: str | None = None
    job: str = ""
    fence: int = 0
    chunk: int = 0
    pid: int = 0  # of the child


class SharedStatus:
    """The shared memory; make it before the fork, so that every child sees the same one."""

    def __init__(self, num_rows: int = 1) -> None:
        self._memory = mmap.mmap(-1, _SIZE * num_rows)
        self._place = _TEXT
        self._last = Activity()
        self._rows = [self, *(self._row_at(_SIZE * row) for row in range(1, num_rows))]
        for row in self._rows:
            row.write(Activity())

    def _row_at(self, offset: int) -> SharedStatus:
        row = copy(self)
        row._place = offset + _TEXT
        return row

    def row(self, number: int) -> SharedStatus:
        """Return the row of one of the jobs that are rendered at the same time."""
        return self._rows[number]

    def held(self) -> tuple[Activity, ...]:
        """Return what is done for each job that the child has."""
        return tuple(activity for row in self._rows if (activity := row.read()).job)

    def summary(self) -> Activity:
        """Return what the child does, as one activity: that of its busiest row."""
        every = [row.read() for row in self._rows]
        return max(every, key=lambda activity: _BUSY.index(activity.status))

    @property
    def is_draining(self) -> bool:
        """Whether the worker should save, release its job and end."""
        return self._memory[_DRAIN] != 0

    def drain(self) -> None:
        """Ask the child to end; safe in a signal handler."""
        self._memory[_DRAIN] = 1

    def write(self, activity: Activity) -> None:
        """Publish what is being done; for the child."""
        text = json.dumps(asdict(activity)).encode()
        if len(text) > _SIZE - _TEXT - _LENGTH.size:
            raise ValueError(f"{len(text)} bytes do not fit into the shared status")
        place = self._place
        self._memory[place : place + _LENGTH.size + len(text)] = _LENGTH.pack(len(text)) + text

    def read(self) -> Activity:
        """Return what the child wrote last; a write in progress is not seen yet."""
        start = self._place + _LENGTH.size
        (length,) = _LENGTH.unpack(self._memory[self._place : start])
        try:
            self._last = Activity(**json.loads(self._memory[start : start + length]))
        except (ValueError, TypeError):  # half of the old text, half of the new one
            pass
        return self._last
