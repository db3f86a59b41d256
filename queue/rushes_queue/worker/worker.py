"""A worker: a parent that consumes doorbells, and one child that renders.

The parent never touches the GPU: if the child crashes, the parent reports the loss at once and
Celery starts another child. The first SIGTERM or SIGINT drains: the child saves, releases its job
and ends. The second one stops at once.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence

from rushes.errors import RushesError
from rushes_queue.broker.replies import Change
from rushes_queue.errors import WorkerRestsError
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import SCHEMA_VERSION
from rushes_queue.jobs.failures import delay_ms
from rushes_queue.jobs.record import FailureKind, JobRecord
from rushes_queue.settings.model import Settings
from rushes_queue.worker.attempt import AttemptRun
from rushes_queue.worker.child_deaths import Cause, cause_of, count_memory_kills
from rushes_queue.worker.housekeeping import Housekeeping
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.phases import PhaseTimes
from rushes_queue.worker.shared_status import Activity, SharedStatus
from rushes_queue.worker.sweep import after_loss
from rushes_queue.worker.warm_renderer import Renderer

logger = logging.getLogger(__name__)

_EXIT_ANEW = 70
_SECONDS_TO_END = 60.0  # until a worker that restarts has ended
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SECONDS_BETWEEN_LOOKS = 0.5  # at which a resting worker checks whether to drain


class Worker:
    """One worker; make it in the parent, before anything forks."""

    def __init__(
        self,
        settings: Settings,
        options: WorkerOptions,
        renderer: Renderer,
        start_again: Callable[[], None] = lambda: None,
    ) -> None:
        """``start_again`` replaces this process by a fresh one, in any thread, if it can."""
        self._start_again = start_again
        self._settings, self._options, self._renderer = settings, options, renderer
        self._shared = SharedStatus(options.rows)
        self._links = FarmLinks.open(settings)  # the parent's
        self._child_links: FarmLinks | None = None
        self._num_signals = 0
        self._is_ready = False
        self._memory_kills = count_memory_kills()
        self._times = PhaseTimes()
        self._drain_at = time.monotonic() + (options.drain_after_seconds or float("inf"))

    def run_once(self) -> bool:
        """Render one job in this process, without Celery; return False when none waits.

        Raises: BrokerError; WorkerRestsError when it has lost too many jobs in a row.
        """
        self._listen_to_signals()
        with Housekeeping(self._options, self._links, self._shared):
            return self._take_job(self._links)

    def run(self) -> int:
        """Serve until a signal ends it; return the exit code.

        Raises: BrokerError when the broker cannot be reached at the start.
        """
        self._listen_to_signals()
        from rushes_queue.doorbell.serve import Callbacks, serve

        self._links.store.now_ms()
        callbacks = Callbacks(
            take_job=self._take_job_in_child,
            ready=self._when_ready,
            child_lost=self._report_lost_child,
            unreadable=self._note_unreadable,
        )
        with Housekeeping(
            self._options,
            self._links,
            self._shared,
            self._drain_if_due,
            on_hang=self._end_silent,
            on_stalled=self._start_anew,
        ):
            return serve(self._settings, self._options.name, self._options.queues(), callbacks)

    @property
    def is_draining(self) -> bool:
        """Whether it was asked to end."""
        return self._shared.is_draining

    # In the child

    def _take_job_in_child(self) -> None:
        if self._child_links is None:
            # A signal may be meant for a whole group of processes.
            signal.signal(signal.SIGTERM, self._on_signal)
            self._child_links = self.open_links()
        while not self._shared.is_draining:
            try:
                self._take_job(self._child_links)
                return
            except WorkerRestsError as error:
                # It keeps its one doorbell, so that the others go to other workers.
                logger.error("%s", error)
                self._wait(error.seconds)

    def open_links(self) -> FarmLinks:
        """Open the child's connections to the farm."""
        return FarmLinks.open(self._settings)

    def _wait(self, seconds: float) -> None:
        """Wait, unless the worker drains."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._shared.is_draining:
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _take_job(self, links: FarmLinks) -> bool:
        """Claim the best job and carry it out; return False when there is none."""
        if self._shared.is_draining:
            return False
        record = self._claim(links)
        if record is not None:
            self._attempt(links, record, self._renderer)
        return record is not None

    def _attempt(
        self, links: FarmLinks, record: JobRecord, renderer: Renderer, row: int = 0
    ) -> None:
        """Carry a job out; ``row`` tells it from others that are carried out meanwhile."""
        AttemptRun(
            *(links, record, renderer, self._shared.row(row)),
            device=self._options.device,
            times=self._times,
        ).run()

    def _claim(
        self, links: FarmLinks, *, only: Sequence[str] = (), batch: str = ""
    ) -> JobRecord | None:
        """Claim the best job, of these if there are any; as ``Leases.claim``."""
        return links.store.leases.claim(
            self._options.queues(held=self._renderer.preset),
            self._options.name,
            ttl_ms=round(self._settings.lease_seconds * 1000),
            host=socket.gethostname(),
            gpu=self._options.gpu.name if self._options.gpu else "cpu",
            max_schema=SCHEMA_VERSION,
            tags=self._options.tags,
            place=self._options.known_as,
            only=only,
            batch=batch,
        )

    # In the parent

    def _listen_to_signals(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        """Drain the first time, stop at once the second time."""
        self._num_signals += 1
        if self._num_signals > 1:
            self._stop_at_once()
        self._shared.drain()
        if self._is_ready:  # else Celery may be half imported
            self._drain()

    def _drain(self) -> None:
        from rushes_queue.doorbell.serve import stop

        self._shared.drain()
        stop()

    def _drain_if_due(self) -> None:
        if self._shared.is_draining or time.monotonic() > self._drain_at:
            self._drain()

    def _start_anew(self) -> None:
        """End with an error, so that the command starts again; without it, if this one hangs."""
        from rushes_queue.doorbell.serve import stop

        stop(_EXIT_ANEW)
        timer = threading.Timer(_SECONDS_TO_END, self._start_again_at_once)
        timer.daemon = True
        timer.start()

    def _end_silent(self) -> None:
        """End a process without heartbeats; whoever started it starts another one."""
        logger.critical("housekeeping hangs; this worker ends")
        faulthandler.dump_traceback()  # of all threads, to standard error
        self._stop_at_once()

    def _start_again_at_once(self) -> None:
        logger.error("worker %s hangs; a fresh process takes its place", self._options.name)
        self._let_go()
        self._start_again()
        os._exit(1)

    def _stop_at_once(self) -> None:
        self._let_go()
        os._exit(1)

    def _let_go(self) -> None:
        """Kill the child, and give back the jobs that it had."""
        pid = self._shared.summary().pid
        if pid not in (0, os.getpid()):
            os.kill(pid, signal.SIGKILL)
        for activity in self._shared.held():
            self._give_back(activity.job, activity.fence)

    def _give_back(self, job: str, fence: int) -> None:
        try:
            self._links.ring(
                self._links.store.ends.release(job, fence, "the worker was stopped").bells
            )
        except RushesError as error:
            logger.warning("job %s: %s", job, error)

    def _when_ready(self) -> None:
        self._is_ready = True
        if self._shared.is_draining:
            self._drain()
        logger.info("worker %s serves %s", self._options.name, ", ".join(self._options.presets))

    def _report_lost_child(self, reason: str) -> None:
        """Called when the child has died: its jobs need not wait for the sweep."""
        memory_kills = count_memory_kills()
        cause = cause_of(reason, is_memory_short=memory_kills > self._memory_kills)
        self._memory_kills = memory_kills
        held, links = self._shared.held(), self._links
        if cause == "crash" and len(held) > 1:  # any of them may have caused it; next time alone
            cause, reason = "outside", f"{reason}; {len(held)} jobs were rendered together"
        for activity in held:
            try:
                change = self._report_loss(activity, reason, cause)
            except RushesError as error:  # the sweep will do it
                logger.warning("job %s: %s", activity.job, error)
                continue
            links.ring(change.bells)
            if change.after is not None:
                after_loss(links, activity.job, change.after)

    def _report_loss(self, activity: Activity, message: str, cause: Cause) -> Change:
        """Report the loss of a job, and whether it or something else caused that.

        Raises: BrokerError, FencedError, UnknownJobError.
        """
        store, retries = self._links.store, self._settings.retries
        if cause == "memory":
            return store.ends.fail(
                *(activity.job, activity.fence, FailureKind.RESOURCE),
                f"{self._options.name} ran out of memory, and the system ended the render; see "
                "rushes plan for what it needs",
                delay_ms=delay_ms(0, retries.first_delay_seconds),
                max_failures=retries.max_failures,
            )
        return store.ends.lose(
            *(activity.job, activity.fence, message),
            is_from_outside=cause == "outside",
            max_losses=retries.max_losses,
            max_infrastructure_failures=retries.max_infrastructure_failures,
            max_in_a_row=retries.max_losses_in_a_row,
        )

    def _note_unreadable(self, reason: str, message: str) -> None:
        fields = {"content": message, "worker": self._options.name}
        try:
            self._links.store.events.add_notice("message", reason, fields)
        except RushesError as error:
            logger.warning("a notice cannot be stored: %s", error)
