"""Where jobs are rendered: a farm, or this machine alone. The server asks nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Protocol, Unpack

from rushes.shots.sources import Source
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.broker.replies import Change
from rushes_queue.client.answers import FarmStats, FetchedJob, JobLine, JobStatus, Submitted
from rushes_queue.client.submitting import SubmitValues
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.queue_names import Priority
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.storage.blobs import BlobRef


class Backend(Protocol):
    """What ``rushes_queue.Farm`` offers, as far as the server uses it; errors likewise."""

    def submit(self, source: Source, **asked: Unpack[SubmitValues]) -> list[Submitted]: ...

    def jobs(
        self,
        *,
        states: Collection[State | str] = (),
        tags: Collection[str] = (),
        name: str | None = None,
        since_ms: int | None = None,
        limit: int | None = None,
    ) -> list[JobRecord]: ...

    def ids(self) -> list[str]: ...

    def records(self, jobs: Iterable[str]) -> list[JobRecord]: ...

    def status(self, job: str) -> JobStatus: ...

    def logs(
        self, job: str, *, last: int | None = None, follow: bool = False, after: str = "0"
    ) -> Iterator[JobLine]: ...

    def document(self, job: str) -> JobDocument: ...

    def stored_file(self, ref: BlobRef, folder: Path) -> Path: ...

    def fetch(self, job: str, folder: Path | str = ".") -> FetchedJob: ...

    def preview(self, job: str, *, timeout_seconds: float = 60.0) -> bytes: ...

    def cancel(self, job: str) -> Change: ...

    def pause(self, job: str) -> Change: ...

    def resume(self, job: str) -> Change: ...

    def retry(self, job: str, *, from_start: bool = False) -> Change: ...

    def set_priority(self, job: str, priority: Priority) -> Change: ...

    def workers(self) -> list[LiveWorker]: ...

    def stats(self) -> FarmStats: ...

    def close(self) -> None: ...
