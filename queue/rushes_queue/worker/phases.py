"""How long each phase of an attempt may take: many times as long as earlier ones took.

A render that hangs must not hold its job for ever, and one that is only slow must not be ended.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rushes_queue.settings.model import Deadlines

Phase = Literal["input", "load", "first chunk", "chunk", "save", "join", "publish"]

_REMEMBERED = 32  # times of a phase


class PhaseTimes:
    """The durations of earlier attempts' phases, by kind of job: preset, size, precision."""

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, Phase], deque[float]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )

    def add(self, kind: str, phase: Phase, seconds: float) -> None:
        """Remember the duration of a phase."""
        self._seconds[kind, phase].append(seconds)

    def longest(self, kind: str, phase: Phase) -> float | None:
        """Return the longest of the latest durations, None before the first one."""
        return max(self._seconds[kind, phase], default=None)


class PhaseClock:
    """The phases of one attempt, and whether one of them takes too long.

    Call ``overdue`` often: only the time between calls counts, up to a bound, since a process that
    was stopped did not render meanwhile.
    """

    def __init__(self, deadlines: Deadlines, times: PhaseTimes, *, longest_step: float) -> None:
        self._deadlines, self._times, self._longest_step = deadlines, times, longest_step
        self._kind = ""
        self._lock = threading.Lock()
        self._phase: Phase = "input"
        self._begin = self._last_look = time.monotonic()
        self._spent: dict[Phase, float] = {}
        self._is_saving = False

    def set_kind(self, kind: str) -> None:
        """Set the kind of job, as soon as it is known."""
        self._kind = kind

    def begin(self, phase: Phase) -> float:
        """End the current phase and begin another one, or the same again; returns its seconds."""
        with self._lock:
            now = time.monotonic()
            seconds = now - self._begin
            self._times.add(self._kind, self._phase, seconds)
            if self._phase == "first chunk":  # the next one takes less time
                self._times.add(self._kind, "chunk", seconds)
            self._phase, self._begin = phase, now
            self._spent.pop(phase, None)
            return seconds

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Allow for the time in which the render waits for a save point to be stored."""
        begin = time.monotonic()
        self._spent.pop("save", None)
        self._is_saving = True
        try:
            yield
        finally:
            self._is_saving = False
            with self._lock:
                self._times.add(self._kind, "save", time.monotonic() - begin)
                self._spent.pop(self._phase, None)

    def overdue(self) -> str | None:
        """Return one line about the phase that takes too long, if one does."""
        with self._lock:
            now = time.monotonic()
            step = min(now - self._last_look, self._longest_step)
            self._last_look = now
            phase: Phase = "save" if self._is_saving else self._phase
            spent = self._spent[phase] = self._spent.get(phase, 0.0) + step
            limit = self._limit(phase)
        if spent <= limit:
            return None
        return f"the phase {phase!r} hangs: it has taken more than {limit:.0f} s"

    def _limit(self, phase: Phase) -> float:
        longest = self._times.longest(self._kind, phase)
        if phase == "chunk" and longest is None:
            phase = "first chunk"
        least: float = getattr(self._deadlines, f"{phase.replace(' ', '_')}_seconds")
        return max(least, self._deadlines.times_usual * (longest or 0.0))
