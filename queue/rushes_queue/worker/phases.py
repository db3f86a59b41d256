"""How long each phase of an attempt may take: what earlier ones took, many times over.

A render that hangs must not hold its job for ever; one that is only slow must not be ended.
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
    """What the phases of earlier attempts took, by kind of job: preset, size, precision."""

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, Phase], deque[float]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )

    def add(self, kind: str, phase: Phase, seconds: float) -> None:
        """Remember what a phase took."""
        self._seconds[kind, phase].append(seconds)

    def longest(self, kind: str, phase: Phase) -> float | None:
        """Return the longest of the latest times, None where there was none yet."""
        return max(self._seconds[kind, phase], default=None)


class PhaseClock:
    """The phases of one attempt, and whether one of them takes too long.

    ``overdue`` is to be called often, and only the time between such calls counts, up to a bound: a
    process that was stopped has not been rendering meanwhile.
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
        """Say what kind of job this is, as soon as that is known."""
        self._kind = kind

    def begin(self, phase: Phase) -> float:
        """End the phase before and begin another one, or the same again; returns its seconds."""
        with self._lock:
            now = time.monotonic()
            seconds = now - self._begin
            self._times.add(self._kind, self._phase, seconds)
            if self._phase == "first chunk":  # the next one takes less
                self._times.add(self._kind, "chunk", seconds)
            self._phase, self._begin = phase, now
            self._spent.pop(phase, None)
            return seconds

    @contextmanager
    def saving(self) -> Iterator[None]:
        """While a save point is stored, the render may have to wait for that."""
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
        """Return what takes too long, in one line, if something does."""
        with self._lock:
            now = time.monotonic()
            step = min(now - self._last_look, self._longest_step)
            self._last_look = now
            phase: Phase = "save" if self._is_saving else self._phase
            spent = self._spent[phase] = self._spent.get(phase, 0.0) + step
            limit = self._limit(phase)
        if spent <= limit:
            return None
        return f"the phase {phase!r} is stuck: it has taken more than {limit:.0f} s"

    def _limit(self, phase: Phase) -> float:
        longest = self._times.longest(self._kind, phase)
        if phase == "chunk" and longest is None:
            phase = "first chunk"
        least: float = getattr(self._deadlines, f"{phase.replace(' ', '_')}_seconds")
        return max(least, self._deadlines.times_usual * (longest or 0.0))
