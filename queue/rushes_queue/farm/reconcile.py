"""Restores the records of a broker that lost them, from what the storage keeps of each job.

A job is restored as it was last saved; if only its document is left, it is queued as new. If its
result is already published, the worker notices that and does not render it again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rushes_queue.archive.job_files import list_jobs, save_state
from rushes_queue.archive.stored_jobs import read_records
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import Bell
from rushes_queue.errors import JobError
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.storage.storage import Storage


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
    for job, found in read_records(storage, [job for job in jobs if job not in known]):
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
