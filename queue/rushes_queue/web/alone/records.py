"""The records of jobs without a broker: in memory, and in the storage after each change of state.

What can happen to a job is what ``jobs/states`` says, as in a farm.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from rushes_queue.archive.job_files import write_state
from rushes_queue.archive.stored_jobs import StoredJobs
from rushes_queue.broker.events import JobEvent
from rushes_queue.broker.replies import Change
from rushes_queue.errors import JobConflictError, UnknownJobError
from rushes_queue.jobs.find_id import find_id
from rushes_queue.jobs.queue_names import PRIORITIES
from rushes_queue.jobs.record import Attempt, FailureKind, JobFailure, JobRecord
from rushes_queue.jobs.states import FINISHED, TRANSITIONS, Event, State
from rushes_queue.storage.storage import Storage

_MOST_EVENTS = 1000  # of a job


class OwnRecords:
    """All jobs of this machine; those that ran when it stopped are queued again."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.is_change = threading.Condition(threading.RLock())
        self._attempts: dict[str, list[Attempt]] = defaultdict(list)
        self._events: dict[str, list[JobEvent]] = defaultdict(list)
        self._records: dict[str, JobRecord] = {}
        for record in reversed(StoredJobs(storage).list()):
            if record.state is State.RUNNING:
                record = replace(record, state=State.QUEUED, owner=None, fps=0.0)
            self._records[record.id] = record

    def find(self, prefix: str) -> str:
        """Return the id that starts so. Raises: AmbiguousJobError, UnknownJobError."""
        return find_id(prefix, self.ids)

    def ids(self, prefix: str = "", limit: int | None = None) -> Sequence[str]:
        """Return ids that start so, in the order of the alphabet."""
        with self.is_change:
            return sorted(job for job in self._records if job.startswith(prefix))[:limit]

    def list(self, *, state: State | None = None) -> tuple[JobRecord, ...]:
        """Return the jobs, the newest first."""
        with self.is_change:
            found = [each for each in self._records.values() if state in (None, each.state)]
        return tuple(sorted(found, key=lambda record: record.created_ms, reverse=True))

    def get_many(self, jobs: Iterable[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that exist, in the order asked for."""
        with self.is_change:
            return {job: self._records[job] for job in jobs if job in self._records}

    def get(self, job: str) -> JobRecord:
        """Return the record of a job. Raises: UnknownJobError."""
        with self.is_change:
            if job not in self._records:
                raise UnknownJobError(f"job {job}: is unknown", job=job)
            return self._records[job]

    def attempts(self, job: str) -> tuple[Attempt, ...]:
        """Return the attempts at a job since this process started."""
        with self.is_change:
            return tuple(self._attempts[job])

    def events(self, job: str) -> tuple[JobEvent, ...]:
        """Return what happened to a job since this process started."""
        with self.is_change:
            return tuple(self._events[job])

    def add(self, record: JobRecord, after: Sequence[str]) -> Change:
        """Add a new job that waits for others; one that is there already stays."""
        with self.is_change:
            known = self._records.get(record.id)
            if known is not None:
                return Change(record.id, known.state, known.state, False)
            left = tuple(job for job in after if self.get(job).state is not State.DONE)
            self._records[record.id] = replace(record, created_ms=now_ms(), waiting_for=left)
            return self._set(record.id, State.QUEUED, "submit", None)

    def happen(self, job: str, event: Event, **changed: Any) -> Change:
        """Let something happen to a job. Raises: JobConflictError when it cannot."""
        with self.is_change:
            before = self.get(job).state
            after = TRANSITIONS[event].get(before)
            if after is None:
                raise JobConflictError(f"job {job}: is {before}; {event} is not possible", job=job)
            return self._set(job, after, str(event), before, **changed)

    def move(self, job: str, **progress: Any) -> None:
        """Write progress down, in memory alone."""
        with self.is_change:
            self._records[job] = replace(self._records[job], updated_ms=now_ms(), **progress)

    def tell(self, job: str, kind: str, **fields: object) -> None:
        """Add an event to the log of a job."""
        with self.is_change:
            events = self._events[job]
            number = int(events[-1].id.partition("-")[2]) + 1 if events else 0
            texts = {name: str(text) for name, text in fields.items()}
            events.append(JobEvent(f"{now_ms()}-{number}", kind, texts))
            del events[:-_MOST_EVENTS]

    def begin_attempt(self, job: str, attempt: Attempt) -> None:
        """Write down who tries a job."""
        with self.is_change:
            self._attempts[job].append(attempt)

    def end_attempt(self, job: str, reason: str) -> None:
        """Write down how the last try ended."""
        with self.is_change:
            tries, chunk = self._attempts[job], self._records[job].chunk
            if tries:
                tries[-1] = replace(tries[-1], ended_ms=now_ms(), last_chunk=chunk, reason=reason)

    def best(self) -> JobRecord | None:
        """Return the job that is rendered next: the most urgent, then the oldest."""
        ready = [each for each in self.list(state=State.QUEUED) if not each.waiting_for]
        return min(ready, key=_urgency, default=None)

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait for a change that makes this true."""
        with self.is_change:
            self.is_change.wait_for(until)

    def _set(
        self, job: str, state: State, event: str, before: State | None, **changed: Any
    ) -> Change:
        """Write a state down; jobs that waited for this one may go on, or end with it."""
        now = now_ms()
        changed |= {"updated_ms": now, "finished_ms": now if state in FINISHED else None}
        record = self._records[job] = replace(self._records[job], state=state, **changed)
        reason = record.error.message if record.error else ""
        self.tell(job, "state", event=event, state=state, reason=reason)
        write_state(self._storage, record)
        if state in FINISHED:
            self._settle_waiting(record)
        self.is_change.notify_all()
        return Change(job, before, state, True)

    def _settle_waiting(self, ended: JobRecord) -> None:
        for record in tuple(self._records.values()):
            if ended.id not in record.waiting_for:
                continue
            left = tuple(job for job in record.waiting_for if job != ended.id)
            if ended.state is State.DONE:
                self._records[record.id] = replace(record, waiting_for=left)
            elif record.state is State.QUEUED:
                message = f"job {ended.id}, which it waited for, is {ended.state}"
                failure = JobFailure(FailureKind.CAUSE, message)
                self.happen(record.id, Event.GIVE_UP, error=failure)


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time.time() * 1000)


def _urgency(record: JobRecord) -> tuple[int, int]:
    return PRIORITIES.index(record.priority), record.created_ms
