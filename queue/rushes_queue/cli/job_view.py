"""How a job is shown: as JSON for scripts, and as short texts for people.

Whatever comes from users or other machines is stripped of control characters on its way to a
terminal; JSON keeps it, escaped.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rushes.timeline.problems import printable, shortened
from rushes_queue.states import FINISHED, State

if TYPE_CHECKING:
    from rushes_queue.record import JobRecord

SCHEMA_VERSION = 1  # of everything that the farm's commands print as JSON; fields are only added

SHORT_ID = 8  # characters, where room is scarce
_LONGEST_NAME = 40
_STYLES = {
    State.RUNNING: "cyan",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.QUARANTINED: "bold red",
    State.CANCELLED: "yellow",
    State.PAUSED: "yellow",
}


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


def share_done(record: JobRecord) -> float:
    """Return which part of a job is made, from 0 to 1."""
    if record.state is State.DONE:
        return 1.0
    return min(record.chunk / record.num_chunks, 1.0) if record.num_chunks else 0.0


def shown_name(record: JobRecord, limit: int = _LONGEST_NAME) -> str:
    return shortened(printable(record.name), limit)


def shown_state(record: JobRecord) -> str:
    """Return the state, and what about it may surprise."""
    if record.state is State.RUNNING and record.cancel:
        return "running, to be cancelled"
    if record.state is State.RUNNING and record.pause:
        return "running, to be paused"
    if record.state is State.QUEUED and record.waiting_for:
        return f"queued, after {', '.join(job[:SHORT_ID] for job in record.waiting_for)}"
    if record.state is State.QUEUED and record.not_before_ms is not None:
        return "queued, to be tried again"
    return str(record.state)


def state_style(record: JobRecord) -> str:
    """Return how rich is to colour the state."""
    return _STYLES.get(record.state, "")


def shown_progress(record: JobRecord) -> str:
    """Return how far the job has come, with its speed while it runs."""
    done = f"{record.chunk}/{record.num_chunks}"
    if record.state is not State.RUNNING or record.fps <= 0:
        return done
    return f"{done}, {record.fps:.1f} fps, {clock(seconds_left(record))} left"


def shown_reason(record: JobRecord) -> str:
    """Return why a job has not got done, or does not get on; nothing if all is well."""
    lines = []
    if record.error is not None and record.state is not State.DONE:
        lines.append(f"{record.error.kind}: {record.error.message}")
    if record.state not in FINISHED:
        lines += [f"{name}: {text}" for name, text in record.notes.items()]
    return printable("; ".join(lines))


def clock(seconds: float | None) -> str:
    """Write a duration as minutes and seconds.

    >>> clock(75), clock(3601), clock(None)
    ('1:15', '1:00:01', '?')
    """
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(ms: int | None, now_ms: int) -> str:
    """Write how long ago something was, in its largest unit.

    >>> age(0, 90_000), age(0, 7_200_000), age(None, 0)
    ('1 min', '2 h', '')
    """
    if ms is None:
        return ""
    seconds = max(now_ms - ms, 0) / 1000
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def iso_time(ms: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, with milliseconds."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def local_time(ms: int) -> str:
    """Return a time as a person at this machine reads it."""
    return f"{datetime.fromtimestamp(ms / 1000):%Y-%m-%d %H:%M:%S}"
