"""Restores the records of a broker that lost them, from what the storage keeps of each job.

A job is restored as it was last saved; if only its document is left, it is queued as new. If its
result is already published, the worker notices that and does not render it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from rushes_queue.archive.job_files import (
    document_key,
    list_jobs,
    read_document,
    read_state,
    save_state,
)
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import Bell
from rushes_queue.errors import JobError
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.storage import Storage

_READERS = 8  # threads: a bucket answers slowly, but many at once


@dataclass
class Reconciled:
    """The outcome for the jobs in the storage."""

    kept: list[str] = field(default_factory=list)  # the broker has them
    restored: dict[str, State] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # jobs that cannot be restored, and why
    bells: list[Bell] = field(default_factory=list)

    @property
    def counts(self) -> Counter[State]:
        """How many jobs were restored, by state."""
        return Counter(self.restored.values())


def reconcile(
    store: JobRecords, storage: Storage, *, dry_run: bool = False, ttl_ms: int = 60_000
) -> Reconciled:
    """Restore every job that the storage has and the broker does not.

    The worker of a running job has ``ttl_ms`` to renew the lease; then the job is claimed again
    from its save points. With ``dry_run`` nothing is changed.
    Raises: what the storage raises; BrokerError, BrokerFullError.
    """
    outcome = Reconciled()
    jobs = tuple(list_jobs(storage))
    known = store.get_many(jobs)
    outcome.kept = [job for job in jobs if job in known]
    lost = []
    for job, found in _read_all(storage, [job for job in jobs if job not in known]):
        if isinstance(found, JobRecord):
            lost.append(found)
        else:
            outcome.faults[job] = str(found)
    # The oldest first, so that jobs keep their order.
    for record in sorted(lost, key=lambda record: (record.created_ms, record.id)):
        if not dry_run:
            try:
                outcome.bells += store.adopt(record, ttl_ms=ttl_ms).bells
            except JobError as error:
                outcome.faults[record.id] = str(error)
                continue
            save_state(store, storage, record.id)
        outcome.restored[record.id] = record.state
    return outcome


def _read_all(
    storage: Storage, jobs: Iterable[str]
) -> Iterator[tuple[str, JobRecord | JobError | MissingKeyError]]:
    def read(job: str) -> tuple[str, JobRecord | JobError | MissingKeyError]:
        try:
            return job, _last_record(storage, job)
        except (JobError, MissingKeyError) as error:
            return job, error

    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(read, jobs)


def _last_record(storage: Storage, job: str) -> JobRecord:
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
