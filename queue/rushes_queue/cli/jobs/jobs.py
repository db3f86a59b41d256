"""``rushes jobs`` and ``rushes status``: list jobs, and show their state."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.text import printable
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, JobsArgument, end_with
from rushes_queue.cli.show.console import faults_json, print_json, say
from rushes_queue.cli.show.job_view import (
    SHORT_ID,
    age,
    local_time,
    shown_name,
    shown_progress,
    shown_reason,
    shown_state,
)
from rushes_queue.cli.show.table import Steps, print_table, terminal_width
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.record import WAITS

if TYPE_CHECKING:
    from rushes_queue.jobs.record import Attempt, JobRecord

_WIDE = 100  # characters; on narrower terminals ids are shortened
GIVES_WAY: Steps = (
    *(("tags", 8), ("worker", 8), ("name", 16), ("priority", 0), ("tags", 0), ("worker", 0)),
    *(("name", 6), ("state", 12), ("age", 0), ("name", 0), ("state", 7)),
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@takes_flags
def jobs(
    choice: ChoiceFlags,
    farm: FarmFlags,
    since: Annotated[
        str | None, typer.Option(help="Submitted since: 90min, 2h, 3d, or 2026-01-31[T12:00].")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Pattern of the name: 'shot-*'.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Show at most this many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List jobs, the newest first."""
    from rushes_queue.broker.waiting import with_reasons

    store = farm.open_store()
    now_ms = store.now_ms()
    since_ms = None if since is None else parse_since(since, now_ms)
    found = choice.select(store, name=name, since_ms=since_ms)
    shown = with_reasons(store, found[:limit])
    if as_json:
        from rushes_queue.jobs.public_json import to_json

        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "num_jobs": len(found),
                "jobs": [to_json(record) for record in shown],
            }
        )
        return
    if not found:
        say("no such jobs; rushes submit makes some")
        return
    header = ("job", "name", "state", "progress", "priority", "age", "worker", "tags")
    is_narrow = (terminal_width() or _WIDE) < _WIDE
    print_table(header, [_row(record, now_ms, is_narrow) for record in shown], GIVES_WAY)
    if len(shown) < len(found):
        say(f"and {len(found) - len(shown):,} more")
    reasons = Counter(record.notes[WAITS] for record in shown if WAITS in record.notes)
    for reason, number in reasons.items():
        say(f"{number:,} wait{'s' if number == 1 else ''}: {printable(reason)}")


@takes_flags
def status(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show all that is known about jobs. Exit code 4 when one is unknown."""
    from rushes_queue.broker.waiting import with_reasons
    from rushes_queue.client.answers import JobStatus
    from rushes_queue.client.json_forms import to_json

    store = farm.open_store()
    chosen = choice.choose(store, job)
    records = with_reasons(store, store.get_many(chosen.jobs).values())
    found = [JobStatus(record, store.attempts(record.id)) for record in records]
    if as_json:
        listed = list(map(to_json, found))
        errors = faults_json(chosen.faults)
        print_json({"schema_version": SCHEMA_VERSION, "jobs": listed, "errors": errors})
    elif found:
        typer.echo("\n\n".join(_describe(status.record, status.attempts) for status in found))
    end_with(chosen.faults, len(found))


def parse_duration(text: str) -> timedelta:
    """Read a duration such as 90s, 15min, 2h, 30d or 4w.

    Raises: typer.BadParameter.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 15min, 2h, 30d or 4w")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError as error:
        raise typer.BadParameter(f"{text!r} is too long") from error


def parse_since(text: str, now_ms: int) -> int:
    """Read a duration before now, or a date with or without a time, here where no zone is given.

    Units: milliseconds since 1970.
    Raises: typer.BadParameter.
    """
    if _DURATION.fullmatch(text.strip()):
        return now_ms - int(parse_duration(text).total_seconds() * 1000)
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is neither a duration (2h, 3d) nor a date (2026-01-31T12:00)"
        ) from error


def _row(record: JobRecord, now_ms: int, is_narrow: bool) -> tuple[str, ...]:
    row = (
        record.id[:SHORT_ID] if is_narrow else record.id,
        shown_name(record),
        shown_state(record),
        shown_progress(record),
        record.priority,
        age(record.created_ms, now_ms),
        record.owner or "",
        " ".join(record.tags),
    )
    return tuple(map(printable, row))


def _describe(record: JobRecord, attempts: tuple[Attempt, ...]) -> str:
    """Return the lines about one job, without empty ones."""
    result = record.result or {}
    facts = {
        "job": record.id,
        "name": record.name,
        "state": shown_state(record),
        "reason": shown_reason(record),
        "progress": f"chunk {shown_progress(record)}; frame {record.frame}/{record.num_frames}",
        "prompt": record.prompt,
        "worker": record.owner or "",
        "preset": f"{record.preset}, seed {record.seed}, take {record.take}",
        "priority": record.priority,
        "tags": ", ".join(record.tags),
        "submitted": local_time(record.created_ms),
        "started": "" if record.started_ms is None else local_time(record.started_ms),
        "ended": "" if record.finished_ms is None else local_time(record.finished_ms),
        "result": str(result.get("output", "")),
        "frames_sha256": str(result.get("frames_sha256", "")),
    }
    lines = [f"{label:14} {printable(text)}" for label, text in facts.items() if text]
    return "\n".join(lines + [f"{'attempt':14} {_attempt_line(attempt)}" for attempt in attempts])


def _attempt_line(attempt: Attempt) -> str:
    where = " ".join(filter(None, (attempt.worker, attempt.gpu and f"({attempt.gpu})")))
    line = f"{attempt.number}: {local_time(attempt.started_ms)} on {where}"
    if attempt.ended_ms is None:
        return printable(f"{line}, from chunk {attempt.first_chunk}")
    seconds = (attempt.ended_ms - attempt.started_ms) / 1000
    return printable(
        f"{line}, {seconds:.1f} s, chunks {attempt.first_chunk} to {attempt.last_chunk}: "
        f"{attempt.reason}"
    )
