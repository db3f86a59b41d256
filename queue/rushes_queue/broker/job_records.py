"""The record of every job, kept in the broker: it is authoritative.

Each method that changes a job is one script, so one atomic step. Times are the broker's. A call
whose answer was lost can be repeated: it changes nothing the second time.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from rushes.errors import ConfigError
from rushes.text import printable, shortened
from rushes_queue.broker.connection import broker_errors, connect
from rushes_queue.broker.events import JobEvent, check_place, to_entry, to_event, to_events
from rushes_queue.broker.live_workers import LiveWorker, WorkerInfo
from rushes_queue.broker.replies import (
    Change,
    Reaped,
    RenewAnswer,
    Rest,
    pair_up,
    to_bells,
    to_change,
)
from rushes_queue.broker.scripts import Scripts
from rushes_queue.errors import (
    AmbiguousJobError,
    FencedError,
    JobConflictError,
    JobError,
    UnknownJobError,
    WorkerRestsError,
)
from rushes_queue.jobs.document import SCHEMA_VERSION, JobDocument
from rushes_queue.jobs.new_records import check_adopted, new_record
from rushes_queue.jobs.queue_names import PRIORITIES, Priority
from rushes_queue.jobs.record import Attempt, FailureKind, JobFailure, JobProgress, JobRecord
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

PREFIX = "rushes:"
MAX_LOSSES = 3  # at the same chunk and not by one worker alone: then the job is to blame
MAX_LOSSES_IN_A_ROW = 3  # of one worker, which then rests
MAX_FAILURES = 5  # for want of resources
MAX_HICCUPS = 20  # of the infrastructure
RING_AFTER_MS = 30_000
SHORTEST_PREFIX = 4  # characters of an id

_COUNTERS = {  # kinds of failure that are worth another try: counter in the record
    FailureKind.RESOURCE: "failures",
    FailureKind.INFRASTRUCTURE: "hiccups",
}
_LONGEST_MESSAGE = 2000  # characters
_LONGEST_PROMPT = 100
_RECORDS_PER_CALL = 500  # takes the broker a few milliseconds
_MOST_NOTICES = 1000
_LONGEST_BLOCK_MS = 4000  # redis-py itself gives up after 5 s
_ID_START = re.compile(r"[0-9a-f]{1,16}")


class JobRecords:
    """The records of all jobs below one prefix of keys.

    Every method raises BrokerError when the broker cannot be reached, and UnknownJobError when
    there is no such job. ``clock_key`` is for tests: a key that holds the time in ms.
    """

    def __init__(self, client: Redis, prefix: str = PREFIX, *, clock_key: str | None = None):
        if not client.get_encoder().decode_responses:
            raise ConfigError("the store needs a client that was made with decode_responses=True")
        self.client = client
        self.prefix = prefix
        self._scripts = Scripts(client, prefix, clock_key)

    def close(self) -> None:
        """Close the connections of the client."""
        self.client.close()

    @classmethod
    def open(cls, url: str, prefix: str = PREFIX) -> JobRecords:
        """Open the store in the broker at a URL; the first call connects.

        Raises: ConfigError when this is not a URL of a broker.
        """
        return cls(connect(url), prefix)

    # For those who submit and watch jobs

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
            _refuse_unknown(job)
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
        with broker_errors(self.client):
            return _texts(
                self.client.zrangebylex(f"{self.prefix}ids", lowest, highest, start=0, num=limit)
            )

    def list(
        self, *, state: State | None = None, tag: str | None = None, limit: int | None = None
    ) -> tuple[JobRecord, ...]:
        """Return the jobs, the newest first."""
        with broker_errors(self.client):
            jobs = _texts(self.client.zrange(f"{self.prefix}jobs", 0, -1, desc=True))
        found: list[JobRecord] = []
        for record in self._read(jobs, state):
            if limit is not None and len(found) >= limit:
                break
            if tag is None or tag in record.tags:
                found.append(record)
        return tuple(found)

    def attempts(self, job: str) -> tuple[Attempt, ...]:
        """Return the latest attempts at a job, in order."""
        with broker_errors(self.client):
            texts = _texts(self.client.lrange(f"{self.prefix}attempts:{job}", 0, -1))
        return tuple(map(Attempt.from_json, texts))

    def depths(self) -> dict[str, int]:
        """Return how many jobs can be claimed now from each queue that has any."""
        with broker_errors(self.client):
            queues = sorted(_texts(self.client.smembers(f"{self.prefix}queues")))
            pipeline = self.client.pipeline(transaction=False)
            for queue in queues:
                pipeline.zcard(f"{self.prefix}queued:{queue}")
            depths = dict(zip(queues, pipeline.execute(), strict=True))
        return {queue: depth for queue, depth in depths.items() if depth}

    def now_ms(self) -> int:
        """Return the time by the broker's clock, in milliseconds since 1970."""
        with broker_errors(self.client):
            seconds, microseconds = self.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    # For users who change a job

    def cancel(self, job: str) -> Change:
        """Cancel a job, or ask it to stop. Raises: JobConflictError when it is done."""
        return self._ask("set_aside", job, "cancelled", "cancel")

    def pause(self, job: str) -> Change:
        """Pause a job, or ask it to pause. Raises: JobConflictError when it has ended."""
        return self._ask("set_aside", job, "paused", "pause")

    def resume(self, job: str) -> Change:
        """Queue a paused job, or withdraw the request. Raises: JobConflictError when it ended."""
        return self._ask("resume", job, "resumed")

    def retry(self, job: str, *, from_start: bool = False) -> Change:
        """Queue a job that failed, was cancelled or quarantined; its failures no longer count.

        It continues from its save points, unless ``from_start``. Jobs that failed because of it
        are queued again too.
        Raises: JobConflictError when it runs, is paused or done, or depends on one that failed.
        """
        return self._ask("retry", job, "retried", int(from_start))

    def set_priority(self, job: str, priority: Priority) -> Change:
        """Move a job into another queue. Raises: JobConflictError when it has ended."""
        if priority not in PRIORITIES:
            raise JobError(
                f"{priority!r} is not a priority; write {', '.join(PRIORITIES)}", job=job
            )
        return self._ask("set_priority", job, "given another priority", priority)

    def forget(self, job: str) -> Change:
        """Remove the record of a job that has ended. Raises: JobConflictError when it has not."""
        return self._ask("forget", job, "forgotten")

    # For workers

    def claim(
        self,
        queues: Sequence[str],
        worker: str,
        *,
        ttl_ms: int,
        host: str = "",
        gpu: str = "",
        max_schema: int = SCHEMA_VERSION,
        tags: Sequence[str] = (),
        place: str | None = None,
        request: str | None = None,
    ) -> JobRecord | None:
        """Take the first due job of these queues, in their order, if there is one.

        The lease is valid for ``ttl_ms``; the record's ``fence`` identifies this attempt. A job
        whose document is newer than ``max_schema`` stays queued, with a note; with ``tags``, so
        does a job that has none of them, without a note. Losses are counted by ``place``, whichever
        worker runs there; by default it is the worker. A job that crashed there is not claimed
        again before another one is done. ``request`` identifies this call: repeated, it returns the
        same job.
        Raises: WorkerRestsError when this place has lost too many jobs in a row.
        """
        request = request or uuid.uuid4().hex
        limits = (ttl_ms, max_schema, request, json.dumps(list(tags)))
        reply = self._scripts.run("claim", worker, host, gpu, *limits, place or worker, *queues)
        match reply:
            case ["resting", until_ms]:
                seconds = max(int(until_ms) - self.now_ms(), 0) / 1000
                raise WorkerRestsError(
                    f"{place or worker} has lost too many jobs in a row; it claims none for "
                    f"{seconds:.0f} s",
                    seconds=seconds,
                )
            case ["claimed", str(job), str(text)]:
                return JobRecord.from_fields(job, dict(pair_up(json.loads(text))))
        return None

    def waiting_for_worker(
        self,
        queues: Sequence[str],
        *,
        max_schema: int = SCHEMA_VERSION,
        tags: Sequence[str] = (),
        place: str = "",
    ) -> str | None:
        """Return the first job that ``claim`` would give such a worker, if there is one."""
        found = self._scripts.run("waiting", max_schema, json.dumps(list(tags)), place, *queues)
        return str(found) if found else None

    def renew(
        self, job: str, fence: int, ttl_ms: int, progress: JobProgress | None = None
    ) -> RenewAnswer:
        """Renew a lease, report progress, and return what the attempt is asked to do."""
        reported: tuple[str | float, ...] = ()
        if progress is not None:
            prompt = shortened(printable(progress.prompt), _LONGEST_PROMPT)
            reported = (progress.chunk, progress.frame, round(progress.fps, 3), prompt)
        return RenewAnswer(self._scripts.run("renew", job, fence, ttl_ms, *reported))

    def finish(self, job: str, fence: int, result: Mapping[str, Any]) -> Change:
        """Report that the result is published; the jobs that waited for it are queued.

        Raises: FencedError when another attempt may hold the job.
        """
        return self._end("finish", job, fence, json.dumps(result))

    def fail(
        self,
        job: str,
        fence: int,
        kind: FailureKind,
        message: str,
        *,
        delay_ms: int = 0,
        max_failures: int = MAX_FAILURES,
        max_hiccups: int = MAX_HICCUPS,
    ) -> Change:
        """Report a failure: final, or to be retried after ``delay_ms``, depending on its kind.

        Raises: FencedError when another attempt may hold the job.
        """
        counter = _COUNTERS.get(kind, "")
        cap = max_failures if kind is FailureKind.RESOURCE else max_hiccups
        event = "back_off" if counter else "fail"
        failure = _failure_text(kind, message)
        return self._end("fail", job, fence, kind, failure, event, delay_ms, counter, cap)

    def quarantine(self, job: str, fence: int, kind: FailureKind, message: str) -> Change:
        """Quarantine a job that no worker should try again, such as one that cannot be read.

        Raises: FencedError when another attempt may hold the job.
        """
        failure = _failure_text(kind, message)
        return self._end("fail", job, fence, kind, failure, "quarantine", 0, "", 0)

    def release(self, job: str, fence: int, reason: str, *, is_refused: bool = False) -> Change:
        """Give a job back that is not to blame, as when a worker drains.

        ``is_refused``: this worker cannot take it, and does not get it again for a minute, longer
        each time, up to an hour; the reason becomes a note.

        Raises: FencedError when another attempt may hold the job.
        """
        return self._end("release", job, fence, _line(reason), int(is_refused))

    def lose(
        self,
        job: str,
        fence: int,
        message: str,
        *,
        is_from_outside: bool = False,
        max_losses: int = MAX_LOSSES,
        max_hiccups: int = MAX_HICCUPS,
        max_in_a_row: int = MAX_LOSSES_IN_A_ROW,
    ) -> Change:
        """Report that the process that rendered the job has died.

        A job that crashes wherever it is tried is quarantined (see ``losses.lua``), and a worker
        that loses every job has to rest. ``is_from_outside``: somebody ended the process; that is
        nobody's fault, and counts as an infrastructure failure.
        Raises: FencedError when another attempt may hold the job.
        """
        caps = (max_losses, max_hiccups, max_in_a_row)
        return self._end("lose", job, fence, _line(message), int(is_from_outside), *caps)

    def settle(self, job: str, fence: int, to: Literal["cancelled", "paused"]) -> Change:
        """Do what ``renew`` asked for; if the request was withdrawn, the job is queued.

        Raises: FencedError when another attempt may hold the job; JobConflictError when nobody
            asked to cancel it.
        """
        return self._end("settle", job, fence, to)

    def begin_sweep(self, worker: str, *, pause_ms: int) -> bool:
        """Begin a sweep; returns False when the last one was less than the pause ago."""
        with broker_errors(self.client):
            return bool(self.client.set(f"{self.prefix}sweeper", worker, nx=True, px=pause_ms))

    def reap(
        self,
        *,
        limit: int = 100,
        max_losses: int = MAX_LOSSES,
        max_in_a_row: int = MAX_LOSSES_IN_A_ROW,
        ring_after_ms: int = RING_AFTER_MS,
        bell_lists: str | None = None,
    ) -> Reaped:
        """Sweep: end the attempts whose lease has expired, and find jobs that need another bell.

        Only the first ``limit`` jobs of each queue are rung: any bell makes a worker take the best
        job. ``bell_lists`` is the prefix of the lists in which bells wait for workers, in the same
        database; only bells that are missing there are rung. Without it, bells pile up in a queue
        that no worker serves. Each ``unannounced`` job is returned once.
        """
        lists = () if bell_lists is None else (bell_lists,)
        caps = (limit, max_losses, max_in_a_row)
        lost, bells, unannounced = self._scripts.run("reap", *caps, ring_after_ms, *lists)
        return Reaped(
            tuple((job, State(state)) for job, state in pair_up(lost)),
            to_bells(bells),
            tuple(unannounced),
        )

    # Events, notices, workers

    def add_event(
        self, job: str, kind: str, fields: Mapping[str, object], *, fence: int | None = None
    ) -> bool:
        """Log an event; return False if ``fence`` is out of date.

        Raises: BrokerFullError.
        """
        entry = [text for pair in to_entry(kind, fields).items() for text in pair]
        reply = self._scripts.run("add_event", job, "" if fence is None else fence, *entry)
        if reply == "unknown":
            _refuse_unknown(job)
        return bool(reply == "ok")

    def read_events(
        self, job: str, after: str = "0", *, block_ms: int = 0, limit: int = 1000
    ) -> tuple[JobEvent, ...]:
        """Return the events after a position, waiting up to ``block_ms`` for the first one.

        A long wait ends early, before the connection times out.
        Raises: JobError when ``after`` is not a position.
        """
        stream = {f"{self.prefix}events:{job}": check_place(after)}
        with broker_errors(self.client):
            reply = self.client.xread(
                stream,  # type: ignore[arg-type]
                count=limit,
                block=min(block_ms, _LONGEST_BLOCK_MS) or None,
            )
        return to_events(reply)

    def add_notice(
        self, kind: str, message: str, fields: Mapping[str, object] | None = None
    ) -> None:
        """Keep a notice that belongs to no job: a message or document that cannot be read.

        Raises: BrokerFullError.
        """
        entry = to_entry(kind, {"message": message} | dict(fields or {}))
        with broker_errors(self.client):
            self.client.xadd(f"{self.prefix}notices", entry, maxlen=_MOST_NOTICES)  # type: ignore[arg-type]

    def notices(self, limit: int = 100) -> tuple[JobEvent, ...]:
        """Return the latest notices, the newest first."""
        with broker_errors(self.client):
            entries: Any = self.client.xrevrange(f"{self.prefix}notices", count=limit)
        return tuple(map(to_event, entries))

    def beat(self, worker: WorkerInfo, *, ttl_ms: int, place: str | None = None) -> Rest:
        """Report that a worker is alive; return whether its place has to rest."""
        what = (worker.name, worker.to_json(), ttl_ms, place or worker.name)
        num_lost, rest_ms = self._scripts.run("beat", *what)
        return Rest(num_lost, rest_ms / 1000)

    def leave(self, worker: str) -> None:
        """Report that a worker has ended."""
        with broker_errors(self.client):
            pipeline = self.client.pipeline()
            pipeline.delete(f"{self.prefix}worker:{worker}")
            pipeline.zrem(f"{self.prefix}live_workers", worker)
            pipeline.execute()

    def live_workers(self) -> tuple[LiveWorker, ...]:
        """Return the live workers by name, with the jobs they hold."""
        workers = [
            LiveWorker(WorkerInfo.from_json(info), int(beat), tuple(holds))
            for _, info, beat, *holds in self._scripts.run("workers")
        ]
        return tuple(sorted(workers, key=lambda worker: worker.info.name))

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

    def _ask(self, script: str, job: str, wish: str, *args: str | int) -> Change:
        """Run what a user asks for."""
        reply = self._scripts.run(script, job, *args)
        match reply:
            case ["unknown", *_]:
                _refuse_unknown(job)
            case ["refused", state, *_]:
                raise JobConflictError(f"job {job}: is {state} and cannot be {wish}", job=job)
            case ["vain", other, state, *_]:
                cure = (
                    "submit it with --new, without that one"
                    if state == "unknown"
                    else f"rushes retry {other} brings both back"
                )
                raise JobConflictError(
                    f"job {job}: waits for job {other}, which is {state}; {cure}", job=job
                )
        return to_change(job, reply)

    def _end(self, script: str, job: str, fence: int, *args: str | int) -> Change:
        """Run what ends an attempt."""
        reply = self._scripts.run(script, job, fence, *args)
        match reply:
            case ["unknown", *_]:
                _refuse_unknown(job)
            case ["fenced", state, *_]:
                raise FencedError(
                    f"job {job}: is {state} and no longer held by the attempt with fence {fence}",
                    job=job,
                )
            case ["refused", state, *_]:
                raise JobConflictError(f"job {job}: is {state}; nobody asked to stop it", job=job)
        return to_change(job, reply)


def _failure_text(kind: FailureKind, message: str) -> str:
    return json.dumps(asdict(JobFailure(kind, _line(message), retryable=kind in _COUNTERS)))


def _line(text: str) -> str:
    return shortened(printable(text), _LONGEST_MESSAGE)


def _texts(reply: Any) -> list[str]:
    return list(reply)


def _flat(pairs: Mapping[str, str]) -> list[str]:
    return [text for pair in pairs.items() for text in pair]


def find_id(prefix: str, ids: Callable[[str, int], Sequence[str]]) -> str:
    """Return the id that starts so; ``ids`` returns the first ones, at most so many.

    Raises: AmbiguousJobError when it is too short or several start so; UnknownJobError.
    """
    if not _ID_START.fullmatch(prefix):
        _refuse_unknown(prefix)
    if len(prefix) < SHORTEST_PREFIX:
        raise AmbiguousJobError(
            f"{prefix!r} is too short; write at least {SHORTEST_PREFIX} characters of the id"
        )
    found = ids(prefix, 5)
    if not found:
        _refuse_unknown(prefix)
    if len(found) > 1:
        raise AmbiguousJobError(f"{prefix!r} is the start of {', '.join(found)}; write more")
    return found[0]


def _refuse_unknown(job: str) -> NoReturn:
    raise UnknownJobError(f"job {shortened(printable(job))}: is unknown; see rushes jobs", job=job)
