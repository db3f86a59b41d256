"""How workers take jobs and keep them: claim, renew, and the sweep of leases that expired."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rushes.text import printable, shortened
from rushes_queue.broker.attempt_ends import MAX_LOSSES, MAX_LOSSES_IN_A_ROW
from rushes_queue.broker.connection import broker_errors, server_time_ms
from rushes_queue.broker.replies import Reaped, RenewAnswer, pair_up, to_bells
from rushes_queue.broker.scripts import Scripts
from rushes_queue.errors import WorkerRestsError
from rushes_queue.jobs.record import JobProgress, JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.jobs.versions import JOB_VERSION

if TYPE_CHECKING:
    from redis import Redis

RING_AFTER_MS = 30_000

_LONGEST_PROMPT = 100  # characters


class Leases:
    """A worker's time-limited claims on jobs.

    Every method raises BrokerError when the broker cannot be reached.
    """

    def __init__(self, client: Redis, scripts: Scripts) -> None:
        self._client, self._scripts = client, scripts

    def claim(
        self,
        queues: Sequence[str],
        worker: str,
        *,
        ttl_ms: int,
        host: str = "",
        gpu: str = "",
        max_schema: int = JOB_VERSION,
        tags: Sequence[str] = (),
        place: str | None = None,
        request: str | None = None,
        only: Sequence[str] = (),
        batch: str = "",
    ) -> JobRecord | None:
        """Take the first due job of these queues, in their order, if there is one.

        The lease is valid for ``ttl_ms``; the record's ``fence`` identifies this attempt. A job
        whose document is newer than ``max_schema`` stays queued, with a note; with ``tags``, so
        does a job that has none of them, without a note. Losses are counted by ``place``, whichever
        worker runs there; by default it is the worker. A job that crashed there is not claimed
        again before another one is done. ``request`` identifies this call: repeated, it returns the
        same job. With ``only``, other jobs than these are left alone. ``batch`` is something that
        jobs which a process renders at the same time have in common: losing all of them is one
        loss of the place.
        Raises: WorkerRestsError when this place has lost too many jobs in a row.
        """
        request = request or uuid.uuid4().hex
        limits = (ttl_ms, max_schema, request, json.dumps(list(tags)))
        which = (place or worker, json.dumps(list(only)), batch)
        reply = self._scripts.run("claim", worker, host, gpu, *limits, *which, *queues)
        match reply:
            case ["resting", until_ms]:
                seconds = max(int(until_ms) - server_time_ms(self._client), 0) / 1000
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
        max_schema: int = JOB_VERSION,
        tags: Sequence[str] = (),
        place: str = "",
    ) -> str | None:
        """Return the first job that ``claim`` would give such a worker, if there is one."""
        first = self.waiting_jobs(queues, 1, max_schema=max_schema, tags=tags, place=place)
        return first[0] if first else None

    def waiting_jobs(
        self,
        queues: Sequence[str],
        most: int,
        *,
        max_schema: int = JOB_VERSION,
        tags: Sequence[str] = (),
        place: str = "",
    ) -> tuple[str, ...]:
        """Return the first jobs that ``claim`` would give such a worker, in its order."""
        who = (max_schema, json.dumps(list(tags)), place, most)
        return tuple(map(str, self._scripts.run("waiting", *who, *queues)))

    def renew(
        self, job: str, fence: int, ttl_ms: int, progress: JobProgress | None = None
    ) -> RenewAnswer:
        """Renew a lease, report progress, and return what the attempt is asked to do."""
        reported: tuple[str | float, ...] = ()
        if progress is not None:
            prompt = shortened(printable(progress.prompt), _LONGEST_PROMPT)
            reported = (progress.chunk, progress.frame, round(progress.fps, 3), prompt)
        return RenewAnswer(self._scripts.run("renew", job, fence, ttl_ms, *reported))

    def begin_sweep(self, worker: str, *, pause_ms: int) -> bool:
        """Begin a sweep; returns False when the last one was less than the pause ago."""
        with broker_errors(self._client):
            key = f"{self._scripts.prefix}sweeper"
            return bool(self._client.set(key, worker, nx=True, px=pause_ms))

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
