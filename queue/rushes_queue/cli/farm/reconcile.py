"""``rushes reconcile``: restore records that the broker lost from the storage."""

from __future__ import annotations

from typing import Annotated

import typer

from rushes.text import printable
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import State


@takes_flags
def reconcile(
    farm: FarmFlags,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Restore the jobs that the storage knows and the broker lost.

    Jobs that the broker still has stay as they are. Exit code 10 when some could not be restored.
    """
    from rushes_queue.farm.connections import FarmLinks
    from rushes_queue.farm.reconcile import reconcile as put_back

    links = FarmLinks.open(farm.settings())
    outcome = put_back(links.store, links.storage, dry_run=dry_run)
    links.ring(outcome.bells)
    if as_json:
        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "dry_run": dry_run,
                "num_kept": len(outcome.kept),
                "restored": {job: str(state) for job, state in outcome.restored.items()},
                "errors": [
                    {"id": job, "message": message} for job, message in outcome.faults.items()
                ],
            }
        )
    else:
        counts = outcome.counts
        states = ", ".join(f"{counts[state]:,} {state}" for state in State if counts[state])
        verb = "would be restored" if dry_run else "restored"
        typer.echo(f"{len(outcome.kept):,} jobs are there; {len(outcome.restored):,} {verb}")
        if states:
            typer.echo(states)
    for job, message in outcome.faults.items():
        say(f"error: job {job}: {printable(message)}")
    raise typer.Exit(exit_codes.PARTIAL if outcome.faults else exit_codes.OK)
