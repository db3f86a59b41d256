"""Which jobs are meant: by their state, tag, name or age."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Protocol

from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State


class JobList(Protocol):
    """Where jobs are looked up: the broker's records, or what the storage has of them."""

    def find(self, prefix: str) -> str:
        """Return the id that starts so."""

    def list(self, *, state: State | None = None) -> tuple[JobRecord, ...]:
        """Return the jobs, the newest first."""

    def get_many(self, jobs: Iterable[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that exist."""


def select_jobs(
    store: JobList,
    *,
    states: Collection[State] = (),
    tags: Collection[str] = (),
    name: str | None = None,
    since_ms: int | None = None,
) -> tuple[JobRecord, ...]:
    """Return the jobs in one of the states and with one of the tags, the newest first.

    ``name`` is a pattern such as ``shot-*``. What is not given chooses nothing.
    Units: ``since_ms`` are milliseconds since 1970, by the broker's clock.
    Raises: BrokerError.
    """
    only = next(iter(states)) if len(states) == 1 else None
    return tuple(
        record
        for record in store.list(state=only)
        if (not states or record.state in states)
        and (not tags or set(tags) & set(record.tags))
        and (since_ms is None or record.created_ms >= since_ms)
        and (name is None or fnmatchcase(record.name, name))
    )
