"""``rushes logs``: what happened to jobs, line by line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.text import printable
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.flags import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, JobsArgument, code_of
from rushes_queue.cli.show.console import print_json, say, say_error
from rushes_queue.cli.show.job_view import SHORT_ID, local_time
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.public_json import SCHEMA_VERSION, iso_time
from rushes_queue.jobs.states import FINISHED

if TYPE_CHECKING:
    from rushes_queue.broker.events import JobEvent
    from rushes_queue.broker.job_records import JobRecords

_PAGE = 1000  # events
_BLOCK_MS = 1000
_SECONDS_BETWEEN_LOOKS = 0.5


@takes_flags
def logs(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the jobs have ended.")
    ] = False,
    last: Annotated[
        int | None, typer.Option("--last", "-n", min=0, help="Only the last lines of each job.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON Lines: one object for each event.")
    ] = False,
) -> None:
    """Show what happened to jobs: changes of state, and what their workers said.

    The latest thousand events of each job are kept. Ctrl-C leaves the jobs alone.
    """
    store = farm.open_store()
    chosen = choice.choose(store, job)
    is_labelled = len(chosen.jobs) > 1

    def show(each: str, event: JobEvent) -> None:
        if as_json:
            print_json(
                {
                    "schema_version": SCHEMA_VERSION,
                    "job": each,
                    "time": iso_time(event.ms),
                    "kind": event.kind,
                    "fields": event.fields,
                }
            )
        else:
            typer.echo(f"{each[:SHORT_ID]}  {_line(event)}" if is_labelled else _line(event))

    places = {}
    for each in chosen.jobs:
        events = list(_events(store, each))
        places[each] = events[-1].id if events else "0"
        for event in events if last is None else events[len(events) - min(last, len(events)) :]:
            show(each, event)
    for fault in chosen.faults:
        say_error(fault)
    if follow:
        for each, event in _follow(store, places):
            show(each, event)
    raise typer.Exit(code_of(len(chosen.jobs), [fault.exit_code for fault in chosen.faults]))


def _events(store: JobRecords, job: str) -> Iterator[JobEvent]:
    """Yield all events of a job that are kept."""
    place = "0"
    while page := store.read_events(job, place, limit=_PAGE):
        yield from page
        place = page[-1].id


def _follow(store: JobRecords, places: dict[str, str]) -> Iterator[tuple[str, JobEvent]]:
    """Yield new events until all jobs have ended; a broker that goes away is waited for."""
    left = dict(places)
    while left:
        try:
            records = store.get_many(left)  # first: what ends a job is written before its state
            for job in tuple(left):
                block_ms = _BLOCK_MS if len(left) == 1 else 0
                is_over = job not in records or records[job].state in FINISHED
                for event in store.read_events(
                    job, left[job], block_ms=0 if is_over else block_ms, limit=_PAGE
                ):
                    left[job] = event.id
                    yield job, event
                if is_over:
                    del left[job]
        except BrokerError as error:
            say(f"warning: {error}; waiting for it")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        if len(left) > 1:
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _line(event: JobEvent) -> str:
    """Return one event as one line, whatever is in it."""
    fields = dict(event.fields)
    time_ = f"{local_time(event.ms)}.{event.ms % 1000:03}"
    match event.kind:
        case "state":
            told = (fields.get("worker"), fields.get("reason"))
            about = "; ".join(text for text in told if text)
            text = f"{fields.get('state', '?'):11} {fields.get('event', '?')}"
            text += f" ({about})" if about else ""
        case "log":
            text = f"{fields.get('level', 'info'):11} {fields.get('message', '')}"
        case kind:
            named = " ".join(f"{name}={value}" for name, value in fields.items())
            text = f"{kind:11} {named}"
    return f"{time_}  {printable(text)}"
