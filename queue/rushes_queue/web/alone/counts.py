"""Counts of the jobs of this machine, as a farm counts its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rushes_queue.broker.census import HOUR_SECONDS, Census
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.web.alone.records import now_ms


def count_own(records: Sequence[JobRecord]) -> Census:
    """Count jobs by their states, and what got done within the last hour."""
    now = now_ms()
    states = Counter(record.state for record in records)
    queued = [record for record in records if record.state is State.QUEUED]
    ready = [record for record in queued if not record.waiting_for]
    done = [
        record
        for record in records
        if record.state is State.DONE and now - (record.finished_ms or 0) < HOUR_SECONDS * 1000
    ]
    return Census(
        now_ms=now,
        states={state: states[state] for state in State},
        depths=dict(Counter(record.queue for record in ready)),
        num_parked=len(queued) - len(ready),
        waiting_since_ms=min((record.created_ms for record in ready), default=None),
        fps=sum(record.fps for record in records if record.state is State.RUNNING),
        num_done=len(done),
        num_frames=sum(record.num_frames for record in done),
        window_seconds=HOUR_SECONDS,
    )
