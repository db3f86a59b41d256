"""How long each stage of the loop takes, measured without making the device wait."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


class StageClock:
    """Adds up the seconds spent in functions wrapped by ``timed``, by stage.

    On CUDA the time is that between two events on the stream, read when it is known anyway.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._uses_events = device is not None and device.type == "cuda"
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._pending: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    def timed_on_host(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function with its time counted, whatever the device does meanwhile.

        It may run in any thread, if the others have stages of their own.
        """

        def with_time(*args: P.args, **kwargs: P.kwargs) -> R:
            begin = time.perf_counter()
            result = function(*args, **kwargs)
            self._seconds[stage] += time.perf_counter() - begin
            return result

        return with_time

    def timed(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function with the device's time counted under ``stage``.

        Only the thread that renders may call it.
        """

        def with_events(*args: P.args, **kwargs: P.kwargs) -> R:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            result = function(*args, **kwargs)
            end.record()
            self._pending.append((stage, begin, end))
            self._collect(wait=False)
            return result

        return with_events if self._uses_events else self.timed_on_host(stage, function)

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what was measured in another process."""
        for stage, value in seconds.items():
            self._seconds[stage] += value

    def seconds(self) -> dict[str, float]:
        """Return the seconds of every stage so far, waiting for the device to finish."""
        self._collect(wait=True)
        return dict(self._seconds)

    def _collect(self, wait: bool) -> None:
        while self._pending and (wait or self._pending[0][2].query()):
            stage, begin, end = self._pending.popleft()
            end.synchronize()
            self._seconds[stage] += begin.elapsed_time(end) / 1000
