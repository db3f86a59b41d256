"""What one worker serves, and its name."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from rushes_queue.jobs.queue_names import served_queues
from rushes_queue.worker.gpus import Gpu


@dataclass(frozen=True)
class WorkerOptions:
    """``tags`` restrict a worker to jobs that have one of them; ``device`` is where it computes.

    ``place`` names where it runs, and outlives it: a GPU, a slot of a local farm. Lost jobs are
    counted by place. So many ``rows`` of one batch, each a job, are rendered at the same time.
    """

    name: str
    presets: tuple[str, ...]
    tags: tuple[str, ...] = ()
    gpu: Gpu | None = None
    device: str = "auto"
    drain_after_seconds: float | None = None
    place: str = ""
    rows: int = 1

    @property
    def known_as(self) -> str:
        """The place, or the worker itself if it has none."""
        return self.place or self.name

    def queues(self, held: str | None = None) -> tuple[str, ...]:
        """Return its queues in the order of service; those of the loaded preset come first."""
        presets = sorted(self.presets, key=lambda preset: preset != held)
        return tuple(served_queues(presets, self.gpu.gpu_class if self.gpu else "any"))


def worker_place(gpu: Gpu | None, slot: str | None) -> str:
    """Return where a worker runs; empty for one on the CPU of which there may be several."""
    slot = f"gpu{gpu.index}" if gpu else slot
    return f"{socket.gethostname()}.{slot}" if slot else ""


def worker_name(gpu: Gpu | None) -> str:
    """Return a name that no other worker has."""
    place = f"gpu{gpu.index}" if gpu else "cpu"
    return f"{socket.gethostname()}.{place}.{os.getpid()}"
