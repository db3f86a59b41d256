"""What a worker's parent does beside consuming: heartbeats, sweeps, and a watch over itself."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import rushes
from rushes.errors import RushesError
from rushes_queue.broker.live_workers import WorkerInfo, WorkerStatus
from rushes_queue.broker.replies import Rest
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import SCHEMA_VERSION
from rushes_queue.worker.health import remove_dead, remove_health, write_health
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.shared_status import SharedStatus
from rushes_queue.worker.sweep import SECONDS_BETWEEN_SWEEPS, sweep
from rushes_queue.worker.watchdog import Watchdog

logger = logging.getLogger(__name__)

_SECONDS = 1.0
_TTL_MS = 15_000  # a worker without a heartbeat for so long is gone
_SILENT_SECONDS = 120.0  # without a heartbeat; the broker's timeouts are a few seconds each
_SWEEPLESS_SECONDS = 1800.0  # a slow storage may hold up a sweep for its patience, job by job
_MOST_MISSED_SWEEPS = 2  # in which an idle worker may leave a job waiting


class Housekeeping:
    """Threads of the parent; as a context manager they run while the worker does."""

    def __init__(
        self,
        options: WorkerOptions,
        links: FarmLinks,
        shared: SharedStatus,
        every_second: Callable[[], None] = lambda: None,
        *,
        on_hang: Callable[[], None] = lambda: None,
        on_stalled: Callable[[], None] = lambda: None,
        silent_seconds: float = _SILENT_SECONDS,
        sweep_seconds: float = SECONDS_BETWEEN_SWEEPS,
    ) -> None:
        """``every_second`` is called in a thread, every second.

        ``on_hang`` is called when housekeeping has hung for ``silent_seconds``, and ``on_stalled``
        when the worker is idle while a job waits that it could take.
        """
        self._options, self._links, self._shared = options, links, shared
        self._every_second, self._on_stalled = every_second, on_stalled
        self._started_ms = round(time.time() * 1000)
        self._rest = Rest(0, 0.0)
        self._missed_sweeps = 0
        self._trouble = ""
        self._stop = threading.Event()
        self._watchdogs = {
            "housekeeping": Watchdog(silent_seconds, on_hang),
            "sweep": Watchdog(_SWEEPLESS_SECONDS, on_hang),
        }
        self._threads = [
            self._make_thread("housekeeping", _SECONDS, (self._send_heartbeat, every_second)),
            self._make_thread("sweep", sweep_seconds, (self._sweep, self._check_consumer)),
        ]
        self._running = ExitStack()

    def __enter__(self) -> Self:
        remove_dead(self._links.settings.work_dir)
        for watchdog in self._watchdogs.values():
            self._running.enter_context(watchdog)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._running.close()
        for thread in self._threads:
            thread.join(timeout=5)
        remove_health(self._links.settings.work_dir, self._options.name)
        try:
            self._links.store.workers.leave(self._options.name)
        except RushesError as problem:
            logger.warning("%s", problem)

    @property
    def status(self) -> WorkerStatus:
        if self._shared.is_draining:
            return "draining"
        is_well = self._rest.is_over and not self._trouble
        return self._shared.summary().status if is_well else "unhealthy"

    def _make_thread(
        self, name: str, seconds: float, tasks: tuple[Callable[[], None], ...]
    ) -> threading.Thread:
        def run() -> None:
            while True:
                for task in tasks:
                    self._run_safely(task)
                self._watchdogs[name].feed()
                if self._stop.wait(seconds):
                    return

        return threading.Thread(target=run, name=name, daemon=True)

    def _run_safely(self, task: Callable[[], None]) -> None:
        """Run a task and log what it raises: a worker whose housekeeping has ended looks dead."""
        try:
            task()
        except (RushesError, OSError) as error:
            logger.warning("%s", error)
        except Exception:
            logger.exception("housekeeping failed; it is tried again")

    def _send_heartbeat(self) -> None:
        links, name = self._links, self._options.name
        write_health(links.settings.work_dir, name, self.status, self._shared.summary())
        self._rest = links.store.workers.heartbeat(
            self._info(), ttl_ms=_TTL_MS, place=self._options.known_as
        )

    def _sweep(self) -> None:
        sweep(self._links, worker=self._options.name)

    def _check_consumer(self) -> None:
        """Notice when the worker was idle for more than two sweeps while a job waits for it."""
        job = self._waiting_job() if self.status == "idle" else None
        self._missed_sweeps = self._missed_sweeps + 1 if job else 0
        if job and self._missed_sweeps > _MOST_MISSED_SWEEPS:
            self._trouble = f"idle although job {job} waits; its consumer is restarted"
            logger.error("worker %s: %s", self._options.name, self._trouble)
            self._links.store.events.add(
                job,
                "log",
                {"level": "warning", "message": f"{self._options.name}: {self._trouble}"},
            )
            self._on_stalled()

    def _waiting_job(self) -> str | None:
        options = self._options
        return self._links.store.leases.waiting_for_worker(
            options.queues(), tags=options.tags, place=options.known_as
        )

    def _note(self) -> str:
        if self._rest.is_over:
            return self._trouble
        return (
            f"lost {self._rest.num_lost} jobs in a row; claims again in {self._rest.seconds:.0f} s"
        )

    def _info(self) -> WorkerInfo:
        gpu = self._options.gpu
        return WorkerInfo(
            name=self._options.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=rushes.__version__,
            max_schema=SCHEMA_VERSION,
            started_ms=self._started_ms,
            queues=self._options.queues(),
            gpu=gpu.name if gpu else "cpu",
            gpu_class=gpu.gpu_class if gpu else "any",
            status=self.status,
            preset=self._shared.summary().preset,
            note=self._note(),
            tags=self._options.tags,
        )
