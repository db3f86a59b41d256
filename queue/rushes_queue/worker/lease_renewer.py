"""Renews an attempt's lease while it renders, and receives requests to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from rushes.errors import RushesError
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import RenewAnswer
from rushes_queue.broker.totals import add_chunk_seconds
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.record import JobProgress
from rushes_queue.worker.phases import PhaseClock

logger = logging.getLogger(__name__)

Wish = Literal["drain", "cancel", "pause", "fenced"]

_RENEWALS_PER_LEASE = 4
_LONGEST_WAIT_SECONDS = 1.0


class LeaseRenewer:
    """A thread that renews the lease with the latest progress, as long as there is any.

    A render that hangs must not hold its job for ever: when its clock says so, the lease is left to
    expire. While the broker is away the render goes on; the first answer afterwards decides.
    """

    def __init__(
        self,
        store: JobRecords,
        job: str,
        fence: int,
        *,
        lease_seconds: float,
        clock: PhaseClock,
        is_draining: Callable[[], bool],
        on_renewed: Callable[[], None] = lambda: None,
        on_unknown: Callable[[], None] = lambda: None,
        on_stuck: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """``on_renewed`` is called in the thread after each renewal.

        ``on_unknown`` is called when the broker no longer knows the job. ``on_stuck`` is called
        with the reason when a phase takes too long; after that the lease is not renewed.
        """
        self._store, self._job, self._fence = store, job, fence
        self._ttl_ms = round(lease_seconds * 1000)
        self._wait_seconds = min(lease_seconds / _RENEWALS_PER_LEASE, _LONGEST_WAIT_SECONDS)
        self._is_draining = is_draining
        self._on_renewed, self._on_unknown, self._on_stuck = on_renewed, on_unknown, on_stuck
        self._clock = clock
        self._wish: Wish | None = None
        self._progress: JobProgress | None = None
        self._uncounted: list[float] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    @property
    def wish(self) -> Wish | None:
        """What the attempt should do at the next chunk instead of going on."""
        if self._wish is None and self._is_draining():
            return "drain"
        return self._wish

    def move(self, progress: JobProgress) -> None:
        """Report progress."""
        seconds = self._clock.begin("chunk")
        if self._progress is not None:
            self._uncounted.append(seconds)
        self._progress = progress

    def renew(self) -> Wish | None:
        """Renew now. Do what cannot be undone only right after this did not return ``fenced``.

        Raises: BrokerError when the broker cannot be reached.
        """
        with self._lock:
            answer = self._store.leases.renew(self._job, self._fence, self._ttl_ms, self._progress)
            if answer is RenewAnswer.UNKNOWN:
                self._on_unknown()
            elif answer is RenewAnswer.FENCED:
                self._wish = "fenced"
            elif self._wish != "fenced":
                asked = {RenewAnswer.CANCEL: "cancel", RenewAnswer.PAUSE: "pause"}
                self._wish = asked.get(answer)  # type: ignore[assignment]
        return self._wish

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self.renew()  # with the last progress
            self._count_chunks()
        except RushesError as problem:
            logger.warning("job %s: %s", self._job, problem)

    def _run(self) -> None:
        while not self._stop.wait(self._wait_seconds):
            if reason := self._clock.overdue():
                logger.error("job %s: %s", self._job, reason)
                self._on_stuck(reason)
                return
            try:
                self.renew()
                self._on_renewed()
                self._count_chunks()
            except BrokerError as error:
                logger.warning("job %s: the lease cannot be renewed now: %s", self._job, error)
            except RushesError as error:
                logger.warning("job %s: %s", self._job, error)

    def _count_chunks(self) -> None:
        """Add the chunks since the last call to the farm's totals."""
        if seconds := self._uncounted:
            self._uncounted = []
            add_chunk_seconds(self._store.client, self._store.prefix, seconds)
