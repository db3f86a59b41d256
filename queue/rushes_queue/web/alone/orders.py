"""What the child process was asked for, heard by a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from typing import TextIO

from rushes_queue.web.alone.messages import Asked

_LOOK_SECONDS = 5.0  # for which somebody who asked for a frame gets new ones


class Orders:
    """The jobs to render, in turn, and what was asked last of the one that is rendered."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self._wish: tuple[str, str] = ("", "")  # what, of which job
        self._looked_at = -_LOOK_SECONDS
        self._next: list[Asked] = []
        self._is_change = threading.Condition()
        threading.Thread(target=self._hear, name="orders", daemon=True).start()

    def take(self) -> Asked:
        """Wait for the next job."""
        with self._is_change:
            self._is_change.wait_for(lambda: self._next)
            return self._next.pop(0)

    def wish(self, job: str) -> str:
        """Return ``pause`` or ``cancel`` where a job is to stop."""
        what, of = self._wish
        return what if of == job else ""

    @property
    def is_looked_at(self) -> bool:
        """Whether somebody wants to see frames."""
        return time.monotonic() - self._looked_at < _LOOK_SECONDS

    def _hear(self) -> None:
        for line in self._lines:
            asked = Asked.from_line(line)
            match asked.order:
                case "render":
                    self._wish = ("", "")
                    with self._is_change:
                        self._next.append(asked)
                        self._is_change.notify()
                case "look":
                    self._looked_at = time.monotonic()
                case _:
                    self._wish = (asked.order, asked.job)
        os._exit(0)  # the process that started this one has ended
