"""A job as scripts see it: the JSON of commands and of notifications."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.jobs.record import JobRecord

SCHEMA_VERSION = 1  # of all that the farm's commands print as JSON; fields are only added


def to_json(record: JobRecord) -> dict[str, Any]:
    """Return what scripts see of a job."""
    return {
        "id": record.id,
        "name": record.name,
        "state": str(record.state),
        "cancel_requested": record.cancel,
        "pause_requested": record.pause,
        "preset": record.preset,
        "priority": record.priority,
        "tags": list(record.tags),
        "seed": record.seed,
        "take": record.take,
        "chunk": record.chunk,
        "num_chunks": record.num_chunks,
        "frame": record.frame,
        "num_frames": record.num_frames,
        "fps": record.fps if record.state is State.RUNNING else None,
        "seconds_left": seconds_left(record),
        "prompt": record.prompt,
        "worker": record.owner,
        "attempts": record.attempts,
        "losses": record.losses,
        "waiting_for": list(record.waiting_for),
        "not_before": iso_time(record.not_before_ms),
        "created_at": iso_time(record.created_ms),
        "updated_at": iso_time(record.updated_ms),
        "started_at": iso_time(record.started_ms),
        "finished_at": iso_time(record.finished_ms),
        "error": None
        if record.error is None
        else {"kind": str(record.error.kind), "message": record.error.message},
        "notes": record.notes,
        "result": record.result,
    }


def seconds_left(record: JobRecord) -> float | None:
    """Return how long a running job may still take; ``None`` where nobody can know."""
    if record.state is not State.RUNNING or record.fps <= 0:
        return None
    return round(max(record.num_frames - record.frame, 0) / record.fps, 1)


def iso_time(ms: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, with milliseconds."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
