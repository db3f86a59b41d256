"""Which jobs a command is about: ids or their first characters, or all in a state or with a tag."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NoReturn, TypeVar

import typer

from rushes.errors import RushesError
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.show.console import say, say_error
from rushes_queue.cli.show.job_view import shown_name
from rushes_queue.errors import AmbiguousJobError, JobError, UnknownJobError
from rushes_queue.jobs.states import Event, State, is_allowed

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.client.choosing import JobList
    from rushes_queue.jobs.record import JobRecord

T = TypeVar("T")

_COMPLETION_SECONDS = 0.3
_MOST_COMPLETIONS, _MOST_LOOKED_AT = 50, 500
_HARMFUL = re.compile(r"[^\w .,-]")  # shells evaluate what a completion prints


def complete_jobs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids that start so, with their names; nothing if the broker is slow."""
    return _in_time(ctx, lambda store: _jobs(store, incomplete))


def complete_tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the tags of jobs that start so; nothing if the broker is slow."""
    return _in_time(ctx, lambda store: _tags(store, incomplete))


def _in_time(ctx: typer.Context, ask: Callable[[JobRecords], list[T]]) -> list[T]:
    """Ask the broker, and return nothing unless it answers soon."""
    from rushes_queue.cli.flags.farm_flags import FarmFlags

    found: list[T] = []
    try:
        store = FarmFlags(broker=ctx.params.get("broker")).open_store()
    except RushesError:
        return []

    def collect() -> None:
        with suppress(RushesError):
            found.extend(ask(store))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(_COMPLETION_SECONDS)
    return found[:]


def _jobs(store: JobRecords, incomplete: str) -> list[tuple[str, str]]:
    records = store.get_many(store.ids(incomplete, _MOST_COMPLETIONS)).values()
    return [
        (record.id, f"{_HARMFUL.sub('?', shown_name(record))} ({record.state})")
        for record in records
        if not _HARMFUL.search(record.id)
    ]


def _tags(store: JobRecords, incomplete: str) -> list[str]:
    records = store.get_many(store.ids("", _MOST_LOOKED_AT)).values()
    tags = {tag for record in records for tag in record.tags if tag.startswith(incomplete)}
    return sorted(tag for tag in tags if not _HARMFUL.search(tag))[:_MOST_COMPLETIONS]


JobsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="JOB...",
        help="Ids of jobs, or their first characters (4 or more).",
        autocompletion=complete_jobs,
    ),
]


@dataclass(frozen=True)
class Chosen:
    """The jobs that were found, and the errors about the others."""

    jobs: tuple[str, ...]
    faults: tuple[JobError, ...] = ()


@dataclass(frozen=True)
class ChoiceFlags:
    """A choice of many jobs at once."""

    panel: ClassVar = "Which jobs"

    state: Annotated[
        list[State] | None, typer.Option(help="All jobs in this state; may be repeated.")
    ] = None
    tag: Annotated[
        list[str] | None,
        typer.Option(help="All jobs with this tag; may be repeated.", autocompletion=complete_tags),
    ] = None
    all_jobs: Annotated[bool, typer.Option("--all", help="All jobs.")] = False

    @property
    def is_bulk(self) -> bool:
        return bool(self.state or self.tag or self.all_jobs)

    def select(
        self, store: JobList, *, name: str | None = None, since_ms: int | None = None
    ) -> tuple[JobRecord, ...]:
        """Return the jobs in one of the states and with one of the tags, the newest first."""
        from rushes_queue.client.choosing import select_jobs

        return select_jobs(
            store, states=self.state or (), tags=self.tag or (), name=name, since_ms=since_ms
        )

    def choose(
        self, store: JobList, given: Sequence[str] | None, event: Event | None = None
    ) -> Chosen:
        """Return the jobs that are meant; of a choice only those to which the event can happen.

        Raises: typer.BadParameter when jobs are named in both ways or in none.
        """
        if bool(given) == self.is_bulk:
            raise typer.BadParameter(
                "name jobs, or choose them with --state, --tag or --all"
                + (", not both" if given else "")
            )
        if not given:
            records = self.select(store)
            return Chosen(
                tuple(
                    record.id
                    for record in records
                    if event is None or is_allowed(event, record.state)
                )
            )
        return find_jobs(store, given)


def find_jobs(store: JobList, given: Sequence[str]) -> Chosen:
    """Find each job by the start of its id; an error does not stop the others."""
    jobs: dict[str, None] = {}
    faults: list[JobError] = []
    for text in given:
        try:
            jobs[store.find(text)] = None
        except (UnknownJobError, AmbiguousJobError) as error:
            faults.append(error)
    return Chosen(tuple(jobs), tuple(faults))


def end_with(
    faults: Sequence[RushesError], num_done: int, *, is_any_known: bool = False
) -> NoReturn:
    """Print the errors about single jobs, and end the command with their exit code."""
    for fault in faults:
        say_error(fault)
    if not (num_done or faults or is_any_known):
        say("no such jobs")
    raise typer.Exit(code_of(num_done, [fault.exit_code for fault in faults]))


def code_of(num_done: int, codes: Sequence[int]) -> int:
    """Return the exit code of a command about several jobs, of which some were refused."""
    if not codes:
        return exit_codes.OK
    return exit_codes.PARTIAL if num_done else codes[0]


def confirm(question: str, is_agreed: bool) -> None:
    """Ask for confirmation of what cannot be undone.

    Raises: typer.BadParameter when there is no terminal; typer.Abort when the answer is no.
    """
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} there is no terminal to ask on; give --yes")
    typer.confirm(question, abort=True, err=True)
