"""A job as JSON, for the commands' --json and for notifications."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.jobs.record import JobRecord

SCHEMA_VERSION = 1  # of all JSON that the farm's commands print; fields are only ever added


def to_json(record: JobRecord) -> dict[str, Any]:
    """Return a job as JSON-safe data."""
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
        "seconds_taken": seconds_taken(record),
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
    """Estimate how long a running job will still take; ``None`` when unknown."""
    if record.state is not State.RUNNING or record.fps <= 0:
        return None
    return round(max(record.num_frames - record.frame, 0) / record.fps, 1)


def seconds_taken(record: JobRecord) -> float | None:
    """Return how long a job that is done took; ``None`` where it took more than one attempt."""
    if record.state is not State.DONE or record.attempts != 1:
        return None
    if record.started_ms is None or record.finished_ms is None:
        return None
    return max(record.finished_ms - record.started_ms, 0) / 1000


def iso_time(ms: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, with milliseconds."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
