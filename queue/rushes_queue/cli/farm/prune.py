"""``rushes prune``: remove what is no longer needed from broker and storage."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.jobs.choosing import confirm
from rushes_queue.cli.jobs.jobs import parse_duration
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import print_table
from rushes_queue.errors import JobConflictError, UnknownJobError
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import FINISHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes_queue.archive.prune import Pruned
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.storage.storage import Entry, Storage

_KINDS = ("documents", "work", "results", "blobs", "checks", "leftovers")


@takes_flags
def prune(
    farm: FarmFlags,
    older_than: Annotated[str, typer.Option(help="Age: 12h, 30d, 8w.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove jobs that ended long ago, with their results, inputs and save points.

    Results are removed by their own age. Inputs stay while any job uses them.
    """
    age = parse_duration(older_than)
    store, storage = farm.open_store(), farm.open_storage()
    old = _old_jobs(store, age)
    found = _prune(store, storage, old, age, dry_run=True)
    if not dry_run and (old or found.entries):
        confirm(f"remove {_sum_up(old, found)}?", yes)
        old = _forget(store, old)
        found = _prune(store, storage, old, age, dry_run=False)
    if as_json:
        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "dry_run": dry_run,
                "jobs": list(old),
                "num_objects": len(found.entries),
                "num_bytes": found.num_bytes,
                "kinds": {kind: _kind_json(getattr(found, kind)) for kind in _KINDS},
            }
        )
        return
    rows = [(kind, getattr(found, kind)) for kind in _KINDS if getattr(found, kind)]
    if rows:
        print_table(
            ("kind", "objects", "size"), [(kind, f"{len(e):,}", _size(e)) for kind, e in rows]
        )
    say(f"{'would remove' if dry_run else 'removed'} {_sum_up(old, found)}")


def _old_jobs(store: JobRecords, age: timedelta) -> tuple[str, ...]:
    limit_ms = store.now_ms() - age / timedelta(milliseconds=1)
    return tuple(
        record.id
        for record in store.list()
        if record.state in FINISHED and (record.finished_ms or 0) < limit_ms
    )


def _forget(store: JobRecords, jobs: Sequence[str]) -> tuple[str, ...]:
    """Remove the records; returns those that were removed, without jobs queued again meanwhile."""
    gone = []
    for job in jobs:
        with suppress(UnknownJobError, JobConflictError):
            store.changes.forget(job)
            gone.append(job)
    return tuple(gone)


def _prune(
    store: JobRecords, storage: Storage, forgotten: Sequence[str], age: timedelta, dry_run: bool
) -> Pruned:
    from rushes_queue.archive.prune import prune as prune_storage

    finished = {record.id for record in store.list() if record.state in FINISHED}
    return prune_storage(
        storage,
        now=datetime.now(UTC),
        older_than=age,
        finished=finished | set(forgotten),
        forgotten=forgotten,
        dry_run=dry_run,
    )


def _sum_up(jobs: Sequence[str], found: Pruned) -> str:
    return f"{len(jobs):,} jobs and {len(found.entries):,} objects of {_size(found.entries)}"


def _size(entries: Sequence[Entry]) -> str:
    return f"{sum(entry.size for entry in entries) / 1e6:,.1f} MB"


def _kind_json(entries: Sequence[Entry]) -> dict[str, Any]:
    return {"num_objects": len(entries), "num_bytes": sum(entry.size for entry in entries)}
