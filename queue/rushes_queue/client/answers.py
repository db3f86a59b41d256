"""What a farm answers, apart from records, changes and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes_queue.broker.census import Census
from rushes_queue.broker.events import JobEvent
from rushes_queue.broker.replies import Change
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.record import Attempt, JobRecord
from rushes_queue.jobs.states import State


@dataclass(frozen=True)
class Submitted:
    """A job that was handed in; not ``is_new``: the same was submitted before."""

    id: str
    timeline: Path
    seed: int
    take: int
    state: State | None
    is_new: bool

    @classmethod
    def of(cls, timeline: Path, document: JobDocument, change: Change) -> Submitted:
        return cls(
            document.id, timeline, document.seed, document.take, change.after, change.is_change
        )


@dataclass(frozen=True)
class JobStatus:
    """All that is known about a job."""

    record: JobRecord
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class JobLine:
    """One line of a job's log."""

    job: str
    event: JobEvent


@dataclass(frozen=True)
class FetchedJob:
    """Where the result of a job is now; not ``is_new``: it was there before."""

    job: str
    output: Path
    files: tuple[Path, ...]
    is_new: bool


@dataclass(frozen=True)
class FarmStats:
    """Numbers of the whole farm; ``workers`` by their status."""

    census: Census
    workers: Mapping[str, int]
