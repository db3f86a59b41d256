"""``rushes cancel``, ``pause``, ``resume``, ``retry`` and ``priority``: change jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rushes.errors import RushesError
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, JobsArgument, confirm, end_with
from rushes_queue.cli.show.console import faults_json, print_json
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import Event, State

if TYPE_CHECKING:
    from rushes_queue.broker.job_changes import JobChanges
    from rushes_queue.broker.replies import Change

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_MOST_UNASKED = 1  # jobs that a choice may cancel without a question


@takes_flags
def cancel(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs; a running one stops at its next chunk. rushes retry queues them again."""
    _change(
        farm,
        choice,
        job,
        Event.CANCEL,
        lambda changes, each: changes.cancel(each),
        as_json,
        yes,
    )


@takes_flags
def pause(
    choice: ChoiceFlags, farm: FarmFlags, job: JobsArgument = None, as_json: AsJson = False
) -> None:
    """Pause jobs; a running one is saved at its next chunk."""
    _change(farm, choice, job, Event.PAUSE, lambda changes, each: changes.pause(each), as_json)


@takes_flags
def resume(
    choice: ChoiceFlags, farm: FarmFlags, job: JobsArgument = None, as_json: AsJson = False
) -> None:
    """Queue paused jobs again, or withdraw a request to pause."""
    _change(farm, choice, job, Event.RESUME, lambda changes, each: changes.resume(each), as_json)


@takes_flags
def retry(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Forget the save points; render all of it again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Queue failed, cancelled or quarantined jobs again; they continue from save points."""
    _change(
        farm,
        choice,
        job,
        Event.RETRY,
        lambda changes, each: changes.retry(each, from_start=from_start),
        as_json,
    )


@takes_flags
def priority(
    choice: ChoiceFlags,
    farm: FarmFlags,
    *,
    job: JobsArgument = None,
    level: Annotated[Literal["high", "normal", "low"], typer.Argument(help="New priority.")],
    as_json: AsJson = False,
) -> None:
    """Make jobs more or less urgent; one that runs keeps its worker."""
    _change(
        farm,
        choice,
        job,
        Event.SET_PRIORITY,
        lambda changes, each: changes.set_priority(each, level),
        as_json,
    )


def _change(
    farm: FarmFlags,
    choice: ChoiceFlags,
    given: list[str] | None,
    event: Event,
    act: Callable[[JobChanges, str], Change],
    as_json: bool,
    is_agreed: bool = True,
) -> None:
    """Change each job, print what became of it, and save the new states."""
    from rushes_queue.client.changes import change_jobs, open_links
    from rushes_queue.client.json_forms import to_json

    links = open_links(farm.settings())
    store = links.store
    chosen = choice.choose(store, given, event)
    if not given and len(chosen.jobs) > _MOST_UNASKED:
        confirm(f"{event} {len(chosen.jobs):,} jobs?", is_agreed)
    results: list[dict[str, Any]] = []
    faults: list[RushesError] = list(chosen.faults)
    # A job that waits for another comes back only with that one, so the oldest go first.
    is_reversed = event is Event.RETRY and not given
    jobs = tuple(reversed(chosen.jobs)) if is_reversed else chosen.jobs
    for job, answer in change_jobs(links, jobs, act):
        if isinstance(answer, RushesError):
            faults.append(answer)
            continue
        results.append(to_json(answer))
        if not as_json:
            typer.echo(f"{job}  {_describe(event, answer)}")
    if as_json:
        errors = faults_json(faults)
        print_json({"schema_version": SCHEMA_VERSION, "jobs": results, "errors": errors})
    end_with(faults, len(results))


def _describe(event: Event, change: Change) -> str:
    if not change.is_change:
        return f"{change.after}; there was nothing to do"
    if change.after is State.RUNNING and event in (Event.CANCEL, Event.PAUSE):
        return f"running; asked to {event} at its next chunk"
    return str(change.after)
