"""Finds what a storage no longer needs, counts it, and removes it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rushes_queue.archive.result_names import RESULTS
from rushes_queue.storage.blobs import BLOBS
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.storage import CHECKS, Entry, Storage

JOBS, WORK = "jobs", "work"
DOCUMENT = "job.json"

# The least age, whatever is asked for: a job's blobs are stored before its document, and a write
# may take long.
_GRACE = timedelta(days=1)
_HASH = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be."""

    documents: tuple[Entry, ...]
    work: tuple[Entry, ...]
    results: tuple[Entry, ...]
    blobs: tuple[Entry, ...]
    checks: tuple[Entry, ...]  # of the storage itself, that were interrupted
    leftovers: tuple[Entry, ...]  # of writes that never ended

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (
            *(self.documents + self.work + self.results),
            *(self.blobs + self.checks + self.leftovers),
        )

    @property
    def num_bytes(self) -> int:
        return sum(entry.size for entry in self.entries)


def prune(
    storage: Storage,
    *,
    now: datetime,
    older_than: timedelta,
    finished: Collection[str],
    forgotten: Collection[str] = (),
    dry_run: bool = False,
) -> Pruned:
    """Remove what is older than a duration and no longer needed.

    That is: work folders of ``finished`` jobs (ids, in any final state) and of no job; results;
    blobs that no remaining document names. The documents of ``forgotten`` jobs are removed at any
    age: their records are gone already. With ``dry_run`` nothing is removed.

    Raises: what ``Storage`` raises; what is removed by then stays removed.
    """
    limit = now - older_than
    # Blobs are listed before the documents: a job submitted meanwhile renews its blobs.
    old_blobs = [
        entry for entry in storage.list(BLOBS) if entry.modified < min(limit, now - _GRACE)
    ]
    jobs = {_job_of(entry) for entry in storage.list(JOBS)} - set(forgotten)
    named = _hashes_named_by(storage, jobs) if old_blobs else set()
    pruned = Pruned(
        documents=tuple(
            entry for job in sorted(forgotten) for entry in storage.list(f"{JOBS}/{job}")
        ),
        work=tuple(_old_work(storage, limit, jobs - set(finished))),
        results=tuple(entry for entry in storage.list(RESULTS) if entry.modified < limit),
        blobs=tuple(entry for entry in old_blobs if entry.key.split("/")[-1] not in named),
        checks=tuple(entry for entry in storage.list(CHECKS) if entry.modified < now - _GRACE),
        leftovers=tuple(storage.leftovers(now - _GRACE)),
    )
    return pruned if dry_run else _remove(storage, pruned)


def _old_work(storage: Storage, limit: datetime, alive: Collection[str]) -> list[Entry]:
    """Return the work folders without recent files, except those of jobs that have not ended."""
    folders: dict[str, list[Entry]] = defaultdict(list)
    for entry in storage.list(WORK):
        job = _job_of(entry)
        if job not in alive:
            folders[job].append(entry)
    return [
        entry
        for entries in folders.values()
        if max(entry.modified for entry in entries) < limit
        for entry in entries
    ]


def _hashes_named_by(storage: Storage, jobs: Collection[str]) -> set[str]:
    """Return everything that looks like a hash in the jobs' documents, of any version."""
    found: set[str] = set()
    for job in jobs:
        try:
            data = storage.get_bytes(f"{JOBS}/{job}/{DOCUMENT}")
        except MissingKeyError:
            continue
        found.update(hash_.decode() for hash_ in _HASH.findall(data))
    return found


def _remove(storage: Storage, pruned: Pruned) -> Pruned:
    """Remove these, except blobs that were used meanwhile; returns what was removed."""
    blobs = tuple(entry for entry in pruned.blobs if storage.entry(entry.key) == entry)
    for entry in blobs + pruned.documents + pruned.work + pruned.results + pruned.checks:
        storage.delete(entry.key)
    for leftover in pruned.leftovers:
        storage.remove_leftover(leftover)
    return replace(pruned, blobs=blobs)


def _job_of(entry: Entry) -> str:
    return entry.key.partition("/")[2].partition("/")[0]
