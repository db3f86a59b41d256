"""The last frames of running jobs: made while somebody looks, asked for a few times a second."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass

from rushes_queue.web.state.backend import Backend

SECONDS_BETWEEN_FRAMES = 0.25
_MOST_JOBS = 64


@dataclass(frozen=True)
class LiveFrame:
    """A JPEG and what tells it from others."""

    jpeg: bytes
    tag: str
    asked_at: float


class Frames:
    """The last frame of each job that somebody looks at; many who look cost as much as one."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._frames: dict[str, LiveFrame] = {}

    def get(self, job: str, timeout_seconds: float) -> LiveFrame:
        """Return the last frame, not older than a quarter of a second.

        Raises: JobConflictError when the job does not run; NoFrameError when none comes in time.
        """
        with self._lock:
            lock = self._locks.setdefault(job, threading.Lock())
            while len(self._locks) > _MOST_JOBS:
                oldest = next(iter(self._locks))
                del self._locks[oldest]
                self._frames.pop(oldest, None)
        with lock:
            frame = self._frames.get(job)
            if frame and time.monotonic() - frame.asked_at < SECONDS_BETWEEN_FRAMES:
                return frame
            jpeg = self._backend.preview(job, timeout_seconds=timeout_seconds)
            tag = hashlib.sha256(jpeg).hexdigest()[:16]
            frame = LiveFrame(jpeg, tag, time.monotonic())
            self._frames[job] = frame
            return frame
