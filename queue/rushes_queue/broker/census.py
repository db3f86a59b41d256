"""Counts of the farm: jobs by state, waiting times, and recent throughput."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes_queue.broker.scripts import Scripts
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords

HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Census:
    """Counts at one instant.

    Units: ``_ms`` by the broker's clock; ``fps`` of all jobs that run together.
    """

    now_ms: int
    states: Mapping[State, int]  # every state
    depths: Mapping[str, int]  # of each queue in which jobs can be claimed
    num_parked: int  # queued, but waiting for a time or for other jobs
    waiting_since_ms: int | None  # of the oldest job that could be claimed
    fps: float
    num_done: int  # within the window
    num_frames: int  # of those
    window_seconds: float

    @property
    def waiting_seconds(self) -> float | None:
        """How long the oldest waiting job has been waiting since it was submitted."""
        if self.waiting_since_ms is None:
            return None
        return max(self.now_ms - self.waiting_since_ms, 0) / 1000


def take_census(store: JobRecords, window_seconds: float = HOUR_SECONDS) -> Census:
    """Count the farm.

    Raises: BrokerError.
    """
    since_ms = store.now_ms() - int(window_seconds * 1000)
    data: dict[str, Any] = json.loads(Scripts(store.client, store.prefix).run("census", since_ms))
    return Census(
        now_ms=data["now_ms"],
        states={state: data["states"].get(state, 0) for state in State},
        depths=store.depths(),
        num_parked=data["num_parked"],
        waiting_since_ms=data["waiting_since_ms"] or None,
        fps=data["fps"],
        num_done=data["num_done"],
        num_frames=data["num_frames"],
        window_seconds=window_seconds,
    )
