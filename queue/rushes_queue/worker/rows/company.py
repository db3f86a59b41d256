"""Which waiting jobs join those that a worker renders."""

from __future__ import annotations

from collections import OrderedDict

from rushes.errors import RushesError
from rushes_queue.archive.job_files import read_document
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.record import JobRecord
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.rows.row_kind import row_kind

_MOST_LOOKED_AT = 50  # waiting jobs
_MOST_REMEMBERED = 1000  # kinds of jobs
_MS_FOR_OTHERS = 5000  # that a new job is left to a worker with nothing to do


class Company:
    """Finds jobs that fit together; it remembers what kind the jobs are that it has looked at."""

    def __init__(self, links: FarmLinks, options: WorkerOptions) -> None:
        self._links, self._options = links, options
        self._kinds: OrderedDict[str, str | None] = OrderedDict()

    def kind_of(self, record: JobRecord) -> str | None:
        """Return what jobs have in common with this one; None if it is rendered alone.

        That is so after it was lost or has failed: if it was to blame, it takes no other with it.
        """
        if record.losses or record.failures:
            return None
        key = record.document_sha256
        if key not in self._kinds:
            self._kinds[key] = self._read_kind(record.id)
            if len(self._kinds) > _MOST_REMEMBERED:
                self._kinds.popitem(last=False)
        return self._kinds[key]

    def _read_kind(self, job: str) -> str | None:
        try:
            return row_kind(read_document(self._links.storage, job))
        except RushesError:  # its own attempt finds out
            return None

    def joinable(self, kind: str, preset: str, *, is_first_time: bool) -> list[str]:
        """Return the waiting jobs of a kind that may join now, in the order of service.

        None of them overtakes a job of another kind that waits, so that this one has its turn;
        only when a batch is filled for the first time may they overtake jobs as urgent as they are.

        Raises: BrokerError.
        """
        options, store = self._options, self._links.store
        waiting = store.leases.waiting_jobs(
            *(options.queues(held=preset), _MOST_LOOKED_AT),
            tags=options.tags,
            place=options.known_as,
        )
        records = store.get_many(waiting)
        found: list[str] = []
        overtaken: str | None = None  # the priority of the first job that does not fit
        for job in waiting:
            record = records[job]
            if record.preset == preset and self.kind_of(record) == kind:
                if overtaken in (None, record.priority):
                    found.append(job)
            elif not is_first_time:
                break
            else:
                overtaken = overtaken or record.priority
        return self._without_those_of_others(found, records) if found else found

    def _without_those_of_others(self, jobs: list[str], records: dict[str, JobRecord]) -> list[str]:
        """Leave jobs that have just come to workers that have nothing to do."""
        store, own = self._links.store, self._options.name
        now = store.now_ms()
        free = {
            queue
            for worker in store.workers.live()
            if worker.info.status == "idle" and worker.info.name != own and not worker.info.tags
            for queue in worker.info.queues
        }
        return [
            job
            for job in jobs
            if records[job].queue not in free or now - records[job].updated_ms > _MS_FOR_OTHERS
        ]
