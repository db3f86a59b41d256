"""The process that keeps a local farm's broker and workers alive.

All it does is start what should run and does not. It may be killed at any time: the others keep
running, and the next supervisor finds them by their slots.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import TypeAlias

from rushes.errors import RushesError
from rushes_queue.local.farm_file import About, FarmSpec, LocalFarm
from rushes_queue.local.farm_store import live_workers, open_store
from rushes_queue.local.process_guard import ProcessGuard
from rushes_queue.local.server import HOST

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ROUNDS = 0.5
LONGEST_PAUSE = 30.0
SECONDS_BETWEEN_CHECKS = 5.0
LONGEST_SILENCE_SECONDS = 150.0  # of a worker; one that hangs ends itself before that
STABLE_SECONDS = 60.0  # after it, a crash counts as the first one again

_SECONDS_TO_VANISH = 5.0


def pause_seconds(crashes: int) -> float:
    """Return how long to wait before the next start, after so many crashes in a row."""
    return min(2.0 ** min(crashes - 2, 10), LONGEST_PAUSE) if crashes else 0.0


class SupervisedProcess:
    """A process that is started again when it ends."""

    def __init__(
        self, slot: ProcessGuard, *, longest_silence: float = LONGEST_SILENCE_SECONDS
    ) -> None:
        self.slot = slot
        self._longest_silence = longest_silence
        self._process: Popen[bytes] | None = None
        self._started_at: float | None = None  # of the running process, if there is one
        self._crashes = 0
        self._due = 0.0
        self._silent_checks = 0

    def keep_alive(self, command: Sequence[str], key: str, environment: Mapping[str, str]) -> None:
        """Start the process if it does not run and its pause is over."""
        if self._process is not None:
            self._process.poll()  # else it remains a zombie, which looks alive
        if self.slot.is_taken():
            self._started_at = self._started_at or self.slot.started()
            if self.slot.is_orphaned():
                self.slot.kill()
            return
        if self._started_at is not None:
            self._note_end()
        if time.time() >= self._due:
            self._start(command, key, environment)

    def note_heartbeat(self, is_alive: bool) -> None:
        """Note whether the worker is alive; end one that has been silent for too long.

        Checks are counted, not seconds: a machine that was asleep received no heartbeats meanwhile.
        """
        is_young = time.time() - (self._started_at or time.time()) < self._longest_silence
        self._silent_checks = 0 if is_alive or is_young else self._silent_checks + 1
        if self._silent_checks * SECONDS_BETWEEN_CHECKS > self._longest_silence:
            logger.error("%s sends no heartbeat; it is ended and started again", self.slot.name)
            self._silent_checks = 0
            self.slot.kill()

    def _note_end(self) -> None:
        status = None  # of one that another supervisor started
        if self._process is not None:
            with suppress(TimeoutExpired):  # the lock is free a moment before the process is gone
                status = self._process.wait(_SECONDS_TO_VANISH)
        uptime = time.time() - (self._started_at or 0)
        if status == 0:
            self._crashes = 0
        else:
            self._crashes = 1 if uptime > STABLE_SECONDS else self._crashes + 1
        self._due = time.time() + pause_seconds(self._crashes)
        self._started_at = self._process = None
        logger.info(
            "%s ended (%s) after %.0f s; it starts again in %.1f s",
            *(self.slot.name, "unknown status" if status is None else f"status {status}"),
            *(uptime, pause_seconds(self._crashes)),
        )

    def _start(self, command: Sequence[str], key: str, environment: Mapping[str, str]) -> None:
        about = About(key=key, deaths=self._crashes).model_dump_json()
        try:
            self._process = self.slot.start(command, about=about, environment=environment)
        except (RushesError, OSError) as error:
            logger.warning("%s cannot be started: %s", self.slot.name, error)
            self._crashes += 1
            self._due = time.time() + pause_seconds(self._crashes)
            return
        self._started_at = time.time()
        logger.info("%s is process %d", self.slot.name, self._process.pid)


Processes: TypeAlias = dict[str, SupervisedProcess]  # by the names of their slots


def supervise(farm: LocalFarm) -> None:
    """Keep everything in the farm's file running; the file is read again in each round."""
    processes: Processes = {}
    next_check = time.monotonic()
    while True:
        spec = farm.spec()
        if spec is not None:
            _keep_all_alive(farm, spec, processes)
            if time.monotonic() > next_check:
                next_check = time.monotonic() + SECONDS_BETWEEN_CHECKS
                _check_heartbeats(farm, spec, processes)
        time.sleep(SECONDS_BETWEEN_ROUNDS)


def _keep_all_alive(
    farm: LocalFarm, spec: FarmSpec, processes: dict[str, SupervisedProcess]
) -> None:
    def process(slot: ProcessGuard) -> SupervisedProcess:
        return processes.setdefault(slot.name, SupervisedProcess(slot))

    if spec.has_broker:
        config = farm.folder / "broker.conf"
        process(farm.server).keep_alive([spec.server, str(config)], str(spec.port), os.environ)
        if not _answers(spec.port):
            return
    environment = _worker_environment(spec)
    for index in range(len(spec.workers)):
        process(farm.worker(index)).keep_alive(
            spec.command_of(index), spec.worker_key(index), environment
        )


def _check_heartbeats(
    farm: LocalFarm, spec: FarmSpec, processes: Mapping[str, SupervisedProcess]
) -> None:
    """Ask the broker which workers are alive; while it is away, no worker is blamed."""
    try:
        store = open_store(farm, spec)
        try:
            alive = live_workers(farm, store)
        finally:
            store.close()
    except RushesError:
        return
    for index in range(len(spec.workers)):
        name = farm.worker(index).name
        if name in processes:
            processes[name].note_heartbeat(name in alive)


def _worker_environment(spec: FarmSpec) -> dict[str, str]:
    """Return this process's environment with the farm's settings and no others."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RUSHES_") and name != "REDIS_URL"
    }
    # A worker may run itself again as a script; its own folder must not be searched for imports.
    return kept | spec.environment | {"PYTHONSAFEPATH": "1"}


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    supervise(LocalFarm(Path(sys.argv[1])))
