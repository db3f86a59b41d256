"""The last frames of running jobs: made while somebody looks, asked for a few times a second."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass

from rushes_queue.broker.preview import NoFrameError
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.keyed_locks import KeyedLocks

SECONDS_BETWEEN_FRAMES = 0.25
_MOST_JOBS = 64


@dataclass(frozen=True)
class LiveFrame:
    """A JPEG and what tells it from others, or why there is none."""

    asked_at: float
    jpeg: bytes = b""
    tag: str = ""
    fault: NoFrameError | None = None

    def is_for(self, begin: float) -> bool:
        """Say whether it answers who began to wait then; a fault counts for those alone."""
        return self.asked_at > (begin if self.fault else begin - SECONDS_BETWEEN_FRAMES)


class Frames:
    """The last frame of each job that somebody looks at; many who look cost as much as one."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._locks = KeyedLocks()
        self._frames: OrderedDict[str, LiveFrame] = OrderedDict()

    def get(self, job: str, timeout_seconds: float) -> LiveFrame:
        """Return the last frame, not older than a quarter of a second.

        Raises: JobConflictError when the job does not run; NoFrameError when none comes in time,
            for all who waited meanwhile.
        """
        begin = time.monotonic()
        with self._locks.of(job):
            frame = self._frames.get(job)
            if frame is None or not frame.is_for(begin):
                frame = self._ask(job, timeout_seconds)
                self._keep(job, frame)
        if frame.fault is not None:
            raise frame.fault
        return frame

    def _ask(self, job: str, timeout_seconds: float) -> LiveFrame:
        try:
            jpeg = self._backend.preview(job, timeout_seconds=timeout_seconds)
        except NoFrameError as error:
            return LiveFrame(time.monotonic(), fault=error)
        return LiveFrame(time.monotonic(), jpeg, hashlib.sha256(jpeg).hexdigest()[:16])

    def _keep(self, job: str, frame: LiveFrame) -> None:
        self._frames[job] = frame
        while len(self._frames) > _MOST_JOBS:
            self._frames.popitem(last=False)
