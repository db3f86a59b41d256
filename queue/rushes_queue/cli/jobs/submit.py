"""``rushes submit``: timelines become jobs, which any worker of the farm renders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.errors import RushesError
from rushes.text import printable
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import ResultFlags
from rushes_queue.cli.flags.shots import make_shots, warn_of
from rushes_queue.cli.flags.take_flags import TakeFlags
from rushes_queue.cli.flags.timeline_files import FILES_HELP, TimelineFile, find_timelines
from rushes_queue.cli.jobs.job_flags import JobFlags
from rushes_queue.cli.show.console import faults_json, print_json, say, say_error
from rushes_queue.cli.show.job_view import shown_reason
from rushes_queue.jobs.record import WAITS
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.shots.shot import Shot
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.client.answers import Submitted
    from rushes_queue.farm.connections import FarmLinks
    from rushes_queue.jobs.job_options import JobOptions
    from rushes_queue.jobs.limits import Limits

SCHEMA_VERSION = 1


@takes_flags
def submit(
    timelines: Annotated[list[Path], typer.Argument(help=FILES_HELP)],
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    takes: TakeFlags,
    asked: JobFlags,
    places: FolderFlags,
    farm: FarmFlags,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Only its extension counts: the format of results."),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Queue the good files even if others are bad.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the jobs until they end.")] = False,
    fetch: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Follow the jobs, and bring their results into a folder."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to watch; then exit code 8.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check and plan timelines, store what they need, queue them, and print the jobs' ids."""
    from rushes_queue.farm.connections import FarmLinks

    if result.device != "auto":
        raise typer.BadParameter("--device is for rushes render; a worker computes where it runs")
    settings = farm.settings()
    options = asked.options()
    links = FarmLinks.open(settings)
    shots, faults = _make_all(
        *(find_timelines(timelines), places.folders(), planned, result, loading),
        takes=takes,
        output=output,
        limits=settings.limits,
        options=options,
        choose=_preset_chooser(farm, links.store, places.folders()),
    )
    for fault in faults:
        say_error(fault)
    if faults and not (keep_going and shots):
        say("nothing was queued")
        if as_json:
            print_json(_answer([], faults))
        raise typer.Exit(max(fault.exit_code for fault in faults))
    warn_of([shot.plan for shot in shots])
    options = asked.with_causes(options, links.store)
    jobs = _hand_in_all(links, shots, options, faults, as_json)
    _warn_of_waiting(links.store, jobs)
    if watch or fetch is not None:
        from rushes_queue.cli.jobs.results import show_results
        from rushes_queue.cli.jobs.watching import watch_jobs

        code = watch_jobs(links.store, jobs, timeout_seconds=timeout)
        code = max(code, show_results(links.store, links.storage, jobs, fetch))
        if code != exit_codes.OK:
            raise typer.Exit(code)
    if faults:
        raise typer.Exit(exit_codes.PARTIAL)


def _preset_chooser(
    farm: FarmFlags, store: JobRecords, folders: Folders
) -> Callable[[str | None], str]:
    """Return a function that chooses a preset for a pipeline; the broker is asked once."""

    @cache
    def choose(pipeline: str | None) -> str:
        from rushes_queue.farm.presets import preset_for_farm

        preset, note = preset_for_farm(farm.loaded(), store, folders, pipeline)
        if note is not None:
            say(f"note: {note}")
        return preset

    return choose


def _warn_of_waiting(store: JobRecords, jobs: list[str]) -> None:
    """Print why jobs wait that no live worker can take."""
    from rushes_queue.broker.waiting import with_reasons

    records = with_reasons(store, store.get_many(jobs).values())
    reasons = Counter(record.notes[WAITS] for record in records if WAITS in record.notes)
    for reason, number in reasons.items():
        what = f"job {jobs[0]} waits" if len(jobs) == 1 else f"{number:,} jobs wait"
        say(f"warning: {what}: {reason}")


def _make_all(
    timelines: list[TimelineFile],
    folders: Folders,
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    *,
    takes: TakeFlags,
    output: Path | None,
    limits: Limits,
    options: JobOptions,
    choose: Callable[[str | None], str],
) -> tuple[list[Shot], list[RushesError]]:
    """Check and plan every file; return what can be rendered, and the faults of the others."""
    from rushes_queue.farm.submit import check_shot

    shots: list[Shot] = []
    faults: list[RushesError] = []
    for timeline in timelines:
        try:
            _, made = make_shots(
                *(timeline, folders, planned, result, loading),
                takes=takes,
                output=output,
                choose=choose,
            )
            own = [_without_idle_input(shot, len(timelines)) for shot in made]
            for shot in own:
                check_shot(shot, limits, options)
            shots += own
        except RushesError as error:
            faults.append(error)
    return shots, faults


def _without_idle_input(shot: Shot, num_timelines: int) -> Shot:
    """Leave out the input of text to video: one --input for many files is for those that take one.

    For a single file it stays, and is refused.
    """
    request = shot.request
    if not request.input or shot.plan.takes_input or num_timelines == 1:
        return shot
    if shot.take == 0:
        say(f"note: {printable(str(request.timeline))}: is text to video, without the input")
    return replace(shot, request=request.model_copy(update={"input": None}))


def _hand_in_all(
    links: FarmLinks,
    shots: list[Shot],
    options: JobOptions,
    faults: list[RushesError],
    as_json: bool,
) -> list[str]:
    """Queue every job; the queued ones are printed even if a later one fails.

    ``faults`` are those of files that are left out.
    """
    from rushes_queue.client.answers import Submitted
    from rushes_queue.farm.submit import hand_in

    handed_in: list[Submitted] = []
    try:
        for shot, document, change in hand_in(links, shots, options):
            handed_in.append(Submitted.of(shot.request.timeline, document, change))
            if not as_json:
                typer.echo(document.id)
            if not change.is_change:
                say(f"note: job {document.id} is there already ({change.after}); see --new")
            elif change.after is State.FAILED:
                say(f"warning: job {document.id}: {shown_reason(links.store.get(document.id))}")
    except RushesError as error:
        say_error(error)
        say(f"{len(handed_in)} of {len(shots)} jobs were queued; submit again for the rest")
        if as_json:
            print_json(_answer(handed_in, [*faults, error]))
        raise typer.Exit(error.exit_code) from error
    if as_json:
        print_json(_answer(handed_in, faults))
    return list(dict.fromkeys(job.id for job in handed_in))


def _answer(handed_in: list[Submitted], faults: list[RushesError]) -> dict[str, Any]:
    from rushes_queue.client.json_forms import to_json

    listed = list(map(to_json, handed_in))
    return {"schema_version": SCHEMA_VERSION, "jobs": listed, "errors": faults_json(faults)}
