"""``rushes watch``: the progress of jobs until they have ended."""

from __future__ import annotations

from typing import Annotated

import typer

from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, JobsArgument
from rushes_queue.cli.show.console import say
from rushes_queue.jobs.states import FINISHED


@takes_flags
def watch(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for the end; then exit code 8.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON Lines: one object for each change.")
    ] = False,
) -> None:
    """Follow jobs until all have ended; by default all that have not ended yet.

    Exit code 0 when all are done, 1 when one failed, 7 when all were cancelled, 10 when some were.
    Ctrl-C does not stop the jobs.
    """
    from rushes_queue.cli.jobs.watching import watch_jobs

    store = farm.open_store()
    if job or choice.is_bulk:
        chosen = choice.choose(store, job)
        if chosen.faults:
            raise chosen.faults[0]  # jobs that can never end are not waited for
        jobs = chosen.jobs
    else:
        jobs = tuple(record.id for record in store.list() if record.state not in FINISHED)
    if not jobs:
        say("there is nothing to watch")
        raise typer.Exit(exit_codes.OK)
    raise typer.Exit(watch_jobs(store, jobs, timeout_seconds=timeout, as_json=as_json))
