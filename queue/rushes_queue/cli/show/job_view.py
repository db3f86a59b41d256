"""How a job is shown to people: short texts, for tables and lines.

Control characters are removed from all that comes from users or other machines.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rushes.text import printable, shortened
from rushes_queue.jobs.public_json import seconds_left, seconds_taken
from rushes_queue.jobs.record import WAITS
from rushes_queue.jobs.states import FINISHED, State

if TYPE_CHECKING:
    from rushes_queue.jobs.record import JobRecord

SHORT_ID = 8  # characters, on narrow terminals
_LONGEST_NAME = 40
_STYLES = {
    State.RUNNING: "cyan",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.QUARANTINED: "bold red",
    State.CANCELLED: "yellow",
    State.PAUSED: "yellow",
}


def share_done(record: JobRecord) -> float:
    """Return the share of a job that is done, from 0 to 1."""
    if record.state is State.DONE:
        return 1.0
    return min(record.chunk / record.num_chunks, 1.0) if record.num_chunks else 0.0


def shown_name(record: JobRecord, limit: int = _LONGEST_NAME) -> str:
    return shortened(printable(record.name), limit)


def shown_state(record: JobRecord) -> str:
    """Return the state, with what else is known about it."""
    if record.state is State.RUNNING and record.cancel:
        return "running, to be cancelled"
    if record.state is State.RUNNING and record.pause:
        return "running, to be paused"
    if record.state is State.QUEUED and record.waiting_for:
        return f"queued, after {', '.join(job[:SHORT_ID] for job in record.waiting_for)}"
    if record.state is State.QUEUED and record.not_before_ms is not None:
        return "queued, to be tried again"
    if record.state is State.QUEUED and WAITS in record.notes:
        return "queued, no worker"
    return str(record.state)


def state_style(record: JobRecord) -> str:
    """Return the state's style for rich."""
    return _STYLES.get(record.state, "")


def shown_progress(record: JobRecord) -> str:
    """Return the job's progress and speed; for one that is done, how long it took."""
    done = f"{record.chunk}/{record.num_chunks}"
    if (seconds := seconds_taken(record)) is not None:
        return f"{done}, {record.num_frames / max(seconds, 0.001):.1f} fps, took {clock(seconds)}"
    if record.state is State.DONE and record.attempts > 1:
        return f"{done}, {record.attempts} attempts"
    if record.state is not State.RUNNING or record.fps <= 0:
        return done
    return f"{done}, {shown_speed(record.fps, seconds_left(record))}"


def shown_speed(fps: float, seconds: float | None) -> str:
    """Return the speed, and the remaining time."""
    return f"{fps:.1f} fps, {clock(seconds)} left"


def shown_reason(record: JobRecord) -> str:
    """Return why a job failed or waits; empty if all is well."""
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


def local_time(ms: int) -> str:
    """Return a time in this machine's time zone."""
    return f"{datetime.fromtimestamp(ms / 1000):%Y-%m-%d %H:%M:%S}"
