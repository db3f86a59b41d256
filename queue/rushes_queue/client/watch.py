"""Jobs looked at again and again until all of them have ended."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.waiting import with_reasons
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.record import WAITS, JobRecord
from rushes_queue.jobs.states import FINISHED, State

_SECONDS_BETWEEN_LOOKS = 0.4
_JOBS_PER_SECOND = 2000  # that are looked at, so that thousands do not keep the broker busy
GONE_SECONDS = 10.0  # without a record; a broker that lost it may be rebuilt


@dataclass(frozen=True)
class Look:
    """All jobs as they were last seen; not ``is_there``: the broker is away."""

    records: tuple[JobRecord, ...]
    is_there: bool


class Watch:
    """The jobs that have not ended yet, and how the others did."""

    def __init__(
        self,
        store: JobRecords,
        jobs: Iterable[str],
        *,
        timeout_seconds: float | None = None,
        gone_seconds: float = GONE_SECONDS,
    ) -> None:
        self._store = store
        self._records: dict[str, JobRecord | None] = dict.fromkeys(jobs)
        self._gone_seconds = gone_seconds
        self._gone: dict[str, float] = {}  # since when there is no record
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self.is_timed_out = False

    @property
    def left(self) -> list[str]:
        """The jobs that have not ended, as far as is known."""
        return [
            job
            for job, record in self._records.items()
            if record is None or record.state not in FINISHED
        ]

    @property
    def lost(self) -> list[str]:
        """The jobs of which there has been no record for a while."""
        now = time.monotonic()
        return [job for job, since in self._gone.items() if now - since >= self._gone_seconds]

    @property
    def states(self) -> set[State]:
        """The states in which the jobs were last seen."""
        return {record.state for record in self._records.values() if record}

    def looks(self) -> Iterator[Look]:
        """Look again and again until there is nothing more to see, or no time is left."""
        while True:
            is_there = self._look()
            yield Look(tuple(record for record in self._records.values() if record), is_there)
            lost = self.lost
            left = [job for job in self.left if job not in lost]
            if not left and is_there:
                return
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self.is_timed_out = True
                return
            pause = max(_SECONDS_BETWEEN_LOOKS, len(left) / _JOBS_PER_SECOND)
            if self._deadline is not None:
                pause = min(pause, max(self._deadline - time.monotonic(), 0.0))
            time.sleep(pause)

    def _look(self) -> bool:
        """Read the records of jobs that have not ended; returns False while the broker is away."""
        left = self.left
        try:
            known = with_reasons(self._store, self._store.get_many(left).values())
        except BrokerError:
            self._gone.clear()
            return False
        found = {record.id: record for record in known}
        now = time.monotonic()
        for job in left:
            if job in found:
                self._records[job] = found[job]
                self._gone.pop(job, None)
            else:
                self._gone.setdefault(job, now)
        return True


class ChangedRecords:
    """Tells the records that have changed since they were last passed on."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, ...]] = {}

    def of(self, records: Iterable[JobRecord]) -> Iterator[JobRecord]:
        """Yield those in another state, or that have come further."""
        for record in records:
            asked = (record.cancel, record.pause)
            now = (record.state, record.chunk, *asked, record.attempts, record.notes.get(WAITS))
            if self._seen.get(record.id) != now:
                self._seen[record.id] = now
                yield record
