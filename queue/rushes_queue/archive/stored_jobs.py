"""The jobs as the storage knows them, for when the broker is away or has lost them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rushes_queue.archive.job_files import document_key, list_jobs, read_document, read_state
from rushes_queue.archive.publish import published
from rushes_queue.errors import JobError
from rushes_queue.jobs.find_id import find_id
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.storage import Storage

_READERS = 8  # threads: a bucket answers slowly, but many at once


class StoredJobs:
    """Answers questions about jobs as ``JobRecords`` does, from the storage alone.

    A record is as it was last saved; a job with a published result is done. What cannot
    be read is left out.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def find(self, prefix: str) -> str:
        """Return the id that starts so.

        Raises: AmbiguousJobError, UnknownJobError; what the storage raises.
        """
        return find_id(prefix, self._ids)

    def list(self, *, state: State | None = None) -> tuple[JobRecord, ...]:
        """Return the jobs, the newest first."""
        found = self.get_many(tuple(list_jobs(self._storage))).values()
        chosen = [record for record in found if state is None or record.state is state]
        return tuple(sorted(chosen, key=lambda record: record.created_ms, reverse=True))

    def get_many(self, jobs: Iterable[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that can be read, in the order asked for."""
        return {
            job: self._with_result(found)
            for job, found in read_records(self._storage, jobs)
            if isinstance(found, JobRecord)
        }

    def _ids(self, prefix: str, limit: int) -> Sequence[str]:
        return [job for job in list_jobs(self._storage) if job.startswith(prefix)][:limit]

    def _with_result(self, record: JobRecord) -> JobRecord:
        if record.state is State.DONE or (result := published(self._storage, record.id)) is None:
            return record
        return replace(record, state=State.DONE, result=result, owner=None, error=None)


def read_records(
    storage: Storage, jobs: Iterable[str]
) -> Iterator[tuple[str, JobRecord | JobError | MissingKeyError]]:
    """Yield the record of each job as last saved, or why it cannot be read."""

    def read(job: str) -> tuple[str, JobRecord | JobError | MissingKeyError]:
        try:
            return job, last_record(storage, job)
        except (JobError, MissingKeyError) as error:
            return job, error

    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(read, jobs)


def last_record(storage: Storage, job: str) -> JobRecord:
    """Return the record as last saved, else that of a new job.

    Raises: MissingKeyError; DocumentError, NewerDocumentError.
    """
    try:
        record = read_state(storage, job)
        if record.state is State.DONE or storage.exists(document_key(job)):
            return record
    except (JobError, MissingKeyError):
        pass
    document = read_document(storage, job)
    created_ms = int(document.created_at.timestamp() * 1000)
    return replace(
        new_record(document, document_key(job)),
        created_ms=created_ms,
        updated_ms=created_ms,
        waiting_for=document.after,
    )
