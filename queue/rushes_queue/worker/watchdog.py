"""Threads that must not fall silent: a watchdog that is to be told all the time that they live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watchdog:
    """Calls ``on_silent`` once when nothing was heard for a time; a context manager.

    It counts its own rounds, not the clock's time: a machine that was asleep, or a process that was
    stopped, has lost both it and the threads that it watches.
    """

    def __init__(
        self, limit_seconds: float, on_silent: Callable[[], None], *, round_seconds: float = 1.0
    ) -> None:
        self._round_seconds = round_seconds
        self._limit = max(round(limit_seconds / round_seconds), 1)
        self._on_silent = on_silent
        self._silent_rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def hear(self) -> None:
        """Say that all is well."""
        self._silent_rounds = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._round_seconds):
            self._silent_rounds += 1
            if self._silent_rounds > self._limit:
                self._on_silent()
                return
