"""``rushes logs``: what happened to jobs, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rushes.text import printable
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, JobsArgument, code_of
from rushes_queue.cli.show.console import (
    faults_json,
    print_json,
    print_json_errors,
    say,
    say_error,
)
from rushes_queue.cli.show.job_view import SHORT_ID, local_time
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.public_json import SCHEMA_VERSION

if TYPE_CHECKING:
    from rushes_queue.broker.events import JobEvent


@takes_flags
def logs(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow until the jobs have ended.")
    ] = False,
    last: Annotated[
        int | None, typer.Option("--last", "-n", min=0, help="Only the last lines of each job.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON Lines: one object for each event.")
    ] = False,
) -> None:
    """Show what happened to jobs: changes of state, and the lines of their workers.

    The latest thousand events of each job are kept. Ctrl-C does not stop the jobs.
    """
    from rushes_queue.client.answers import JobLine
    from rushes_queue.client.event_log import follow_events, kept_events
    from rushes_queue.client.json_forms import to_json

    store = farm.open_store()
    chosen = choice.choose(store, job)
    is_labelled = len(chosen.jobs) > 1

    def show(each: str, event: JobEvent) -> None:
        if as_json:
            print_json({"schema_version": SCHEMA_VERSION} | to_json(JobLine(each, event)))
        else:
            typer.echo(f"{each[:SHORT_ID]}  {_line(event)}" if is_labelled else _line(event))

    places = {}
    for each in chosen.jobs:
        events = list(kept_events(store, each))
        places[each] = events[-1].id if events else "0"
        for event in events if last is None else events[len(events) - min(last, len(events)) :]:
            show(each, event)
    for fault in chosen.faults:
        say_error(fault)
    if as_json and chosen.faults:
        print_json_errors(faults_json(chosen.faults))
    if follow:
        for each, event in follow_events(store, places, _say_away):
            show(each, event)
    raise typer.Exit(code_of(len(chosen.jobs), [fault.exit_code for fault in chosen.faults]))


def _say_away(error: BrokerError) -> None:
    say(f"warning: {error}; waiting for it")


def _line(event: JobEvent) -> str:
    """Return one event as one line."""
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
