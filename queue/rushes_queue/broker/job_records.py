"""The record of every job, kept in the broker: it is authoritative.

Each method that changes a job is one script, so one atomic step. Times are the broker's. A call
whose answer was lost can be repeated: it changes nothing the second time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes.errors import ConfigError
from rushes_queue.broker.attempt_ends import AttemptEnds
from rushes_queue.broker.connection import connect, server_time_ms
from rushes_queue.broker.event_log import EventLog
from rushes_queue.broker.job_changes import JobChanges
from rushes_queue.broker.leases import Leases
from rushes_queue.broker.live_workers import LiveWorkers
from rushes_queue.broker.replies import Change, pair_up, to_change
from rushes_queue.broker.scripts import Scripts
from rushes_queue.errors import JobConflictError, JobError, UnknownJobError
from rushes_queue.jobs.find_id import find_id, refuse_unknown
from rushes_queue.jobs.new_records import check_adopted, new_record
from rushes_queue.jobs.record import Attempt, JobRecord
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from redis import Redis

    from rushes_queue.jobs.document import JobDocument

logger = logging.getLogger(__name__)

PREFIX = "rushes:"

_RECORDS_PER_CALL = 500  # takes the broker a few milliseconds


class JobRecords:
    """The records of all jobs below one prefix of keys.

    ``changes`` are for users, ``leases``, ``ends``, ``events`` and ``workers`` for workers; here
    jobs are made and read. Every method raises BrokerError when the broker cannot be reached, and
    UnknownJobError when there is no such job. ``clock_key`` is for tests: a key that holds the time
    in ms.
    """

    def __init__(self, client: Redis, prefix: str = PREFIX, *, clock_key: str | None = None):
        if not client.get_encoder().decode_responses:
            raise ConfigError("the store needs a client that was made with decode_responses=True")
        self.client = client
        self.prefix = prefix
        self._scripts = scripts = Scripts(client, prefix, clock_key)
        self._repair_place = "0"
        self.changes = JobChanges(scripts)
        self.leases = Leases(client, scripts)
        self.ends = AttemptEnds(scripts)
        self.events = EventLog(client, scripts)
        self.workers = LiveWorkers(client, scripts)

    def close(self) -> None:
        """Close the connections of the client."""
        self.client.close()

    @classmethod
    def open(cls, url: str, prefix: str = PREFIX) -> JobRecords:
        """Open the store in the broker at a URL; the first call connects.

        Raises: ConfigError when this is not a URL of a broker.
        """
        return cls(connect(url), prefix)

    def submit(
        self, document: JobDocument, document_key: str, *, asked: JobDocument | None = None
    ) -> Change:
        """Queue a job whose document lies in storage; the same one again changes nothing.

        ``asked`` is the document as it was made this time, if the one that lies there is of an
        earlier submission which got no further: its tags, priority and the like count.

        It fails at once if it is to wait for one that has failed or was cancelled.
        Raises: JobConflictError when there is a job of this id with another content;
            UnknownJobError when it is to wait for one that is unknown; BrokerFullError.
        """
        record = new_record(document, document_key, asked)
        fields = record.to_fields()
        for name in ("state", "document_sha256", "created_ms", "updated_ms"):
            del fields[name]  # the script's to write
        after = json.dumps((asked or document).after)
        reply = self._scripts.run(
            "submit", document.id, record.document_sha256, after, *_flat(fields)
        )
        match reply:
            case ["conflict", state, *_]:
                raise JobConflictError(
                    f"job {document.id}: is there already ({state}) with another plan; "
                    "submit it with --new to make it a job of its own",
                    job=document.id,
                )
            case ["missing", other, *_]:
                raise UnknownJobError(
                    f"job {document.id}: depends on job {other}, which is unknown", job=other
                )
        return to_change(document.id, reply)

    def adopt(self, record: JobRecord, *, ttl_ms: int = 60_000) -> Change:
        """Restore a record that the broker lost; an existing one stays as it is.

        A running job keeps its fence, and has ``ttl_ms`` to renew its lease.
        Raises: JobError when the record is not valid; BrokerFullError.
        """
        check_adopted(record)
        bare = replace(record, waiting_for=(), notes={}, not_before_ms=None, lease_until_ms=None)
        after = json.dumps(record.waiting_for)
        return to_change(
            record.id,
            self._scripts.run("adopt", record.id, ttl_ms, after, *_flat(bare.to_fields())),
        )

    def get(self, job: str) -> JobRecord:
        """Return the record of a job."""
        records = self.get_many([job])
        if job not in records:
            refuse_unknown(job)
        return records[job]

    def get_many(self, jobs: Iterable[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that exist, in the order asked for."""
        return {record.id: record for record in self._read(jobs)}

    def find(self, prefix: str) -> str:
        """Return the id that starts with a prefix.

        Raises: AmbiguousJobError when it is too short or fits several ids; UnknownJobError.
        """
        return find_id(prefix, self.ids)

    def ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Return the first ids that start with a prefix."""
        lowest, highest = f"[{prefix}", f"[{prefix}\xff"
        return self._scripts.ask(
            lambda: _texts(
                self.client.zrangebylex(f"{self.prefix}ids", lowest, highest, start=0, num=limit)
            )
        )

    def list(
        self, *, state: State | None = None, tag: str | None = None, limit: int | None = None
    ) -> tuple[JobRecord, ...]:
        """Return the jobs, the newest first."""
        key = f"{self.prefix}jobs"
        jobs = self._scripts.ask(lambda: _texts(self.client.zrange(key, 0, -1, desc=True)))
        found: list[JobRecord] = []
        for record in self._read(jobs, state):
            if limit is not None and len(found) >= limit:
                break
            if tag is None or tag in record.tags:
                found.append(record)
        return tuple(found)

    def attempts(self, job: str) -> tuple[Attempt, ...]:
        """Return the latest attempts at a job, in order; those that cannot be read are skipped."""
        key = f"{self.prefix}attempts:{job}"
        found = []
        for text in self._scripts.ask(lambda: _texts(self.client.lrange(key, 0, -1))):
            try:
                found.append(Attempt.from_json(text))
            except (TypeError, ValueError) as error:
                logger.warning("job %s: an attempt cannot be read: %s", job, error)
        return tuple(found)

    def depths(self) -> dict[str, int]:
        """Return how many jobs can be claimed now from each queue that has any."""

        def count() -> dict[str, int]:
            queues = sorted(_texts(self.client.smembers(f"{self.prefix}queues")))
            pipeline = self.client.pipeline(transaction=False)
            for queue in queues:
                pipeline.zcard(f"{self.prefix}queued:{queue}")
            return dict(zip(queues, pipeline.execute(), strict=True))

        depths = self._scripts.ask(count)
        return {queue: depth for queue, depth in depths.items() if depth}

    def repair_some(self) -> None:
        """Look at the next page of all keys: what cannot be read is set aside with a notice.

        A job whose record is whole comes back into the lists from which it is missing.
        """
        self._repair_place = self._scripts.repair(self._repair_place)

    def now_ms(self) -> int:
        """Return the time by the broker's clock, in milliseconds since 1970."""
        return server_time_ms(self.client)

    def _read(self, jobs: Iterable[str], state: State | None = None) -> Iterator[JobRecord]:
        """Yield the records that exist; records that cannot be read are skipped."""
        jobs = tuple(jobs)
        for start in range(0, len(jobs), _RECORDS_PER_CALL):
            page = jobs[start : start + _RECORDS_PER_CALL]
            for job, flat in json.loads(self._scripts.run("records", state or "", *page)):
                try:
                    yield JobRecord.from_fields(job, dict(pair_up(flat)))
                except JobError as error:
                    if len(jobs) == 1:
                        raise
                    logger.warning("%s", error)


def _texts(reply: Any) -> list[str]:
    return list(reply)


def _flat(pairs: Mapping[str, str]) -> list[str]:
    return [text for pair in pairs.items() for text in pair]
