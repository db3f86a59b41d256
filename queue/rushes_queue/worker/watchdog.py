"""A watchdog for threads that must not hang: it acts when it has not been fed for a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watchdog:
    """Calls ``on_hang`` once when it was not fed for ``limit_seconds``; a context manager.

    It counts its own rounds, not seconds: while a machine sleeps or a process is stopped, neither
    the watchdog nor the threads that it watches run.
    """

    def __init__(
        self, limit_seconds: float, on_hang: Callable[[], None], *, round_seconds: float = 1.0
    ) -> None:
        self._round_seconds = round_seconds
        self._limit = max(round(limit_seconds / round_seconds), 1)
        self._on_hang = on_hang
        self._unfed_rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def feed(self) -> None:
        """Report that the thread is running."""
        self._unfed_rounds = 0

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
            self._unfed_rounds += 1
            if self._unfed_rounds > self._limit:
                self._on_hang()
                return
