"""The records of a broker that lost them, put back from what the storage keeps of each job.

A job goes back as it was last written down; one of which only the document is left is queued as if
it were new. One that had published its result by then is not rendered again: its worker sees that.
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
    """What became of the jobs in the storage."""

    kept: list[str] = field(default_factory=list)  # the broker has them
    restored: dict[str, State] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # what cannot be put back, and why
    bells: list[Bell] = field(default_factory=list)

    @property
    def counts(self) -> Counter[State]:
        """How many jobs were put back into each state."""
        return Counter(self.restored.values())


def reconcile(
    store: JobRecords, storage: Storage, *, dry_run: bool = False, ttl_ms: int = 60_000
) -> Reconciled:
    """Put back every job that the storage knows and the broker does not.

    A running job has ``ttl_ms`` for its worker to renew the lease; then it is taken up again from
    its save points. With ``dry_run`` nothing is changed.
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
    """Return the record as last written down, else that of a new job.

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
