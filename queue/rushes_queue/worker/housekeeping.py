"""What a worker's parent does beside listening: it says that it lives, and sweeps."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
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

logger = logging.getLogger(__name__)

_SECONDS = 1.0
_TTL_MS = 15_000  # a worker that was not heard of for so long is gone


class Housekeeping:
    """A thread of the parent; as a context manager it runs while the worker does."""

    def __init__(
        self,
        options: WorkerOptions,
        links: FarmLinks,
        board: SharedStatus,
        on_beat: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_beat`` is called in the thread, every second."""
        self._options, self._links, self._board, self._on_beat = options, links, board, on_beat
        self._started_ms = round(time.time() * 1000)
        self._next_sweep = 0.0
        self._rest = Rest(0, 0.0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def __enter__(self) -> Self:
        remove_dead(self._links.settings.work_dir)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        remove_health(self._links.settings.work_dir, self._options.name)
        try:
            self._links.store.leave(self._options.name)
        except RushesError as problem:
            logger.warning("%s", problem)

    @property
    def status(self) -> WorkerStatus:
        if self._board.is_draining:
            return "draining"
        return self._board.read().status if self._rest.is_over else "unhealthy"

    def _run(self) -> None:
        while True:
            for duty in (self._beat, self._on_beat):
                self._survive(duty)
            if self._stop.wait(_SECONDS):
                return

    def _survive(self, duty: Callable[[], None]) -> None:
        """Run a duty whatever comes of it: a worker whose housekeeping has ended looks dead."""
        try:
            duty()
        except (RushesError, OSError) as error:
            logger.warning("%s", error)
        except Exception:
            logger.exception("housekeeping failed; it is tried again")

    def _beat(self) -> None:
        links, name = self._links, self._options.name
        write_health(links.settings.work_dir, name, self.status, self._board.read())
        self._rest = links.store.beat(self._info(), ttl_ms=_TTL_MS, place=self._options.known_as)
        if time.monotonic() > self._next_sweep:
            self._next_sweep = time.monotonic() + SECONDS_BETWEEN_SWEEPS
            sweep(links, worker=name)

    def _note(self) -> str:
        if self._rest.is_over:
            return ""
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
            preset=self._board.read().preset,
            note=self._note(),
        )
