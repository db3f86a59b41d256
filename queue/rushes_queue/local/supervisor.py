"""The process that keeps a local farm's broker and workers alive.

It does nothing but start what is to run and does not. It may be killed at any time: the others
live on, and the next supervisor finds them in their slots.
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

from rushes.errors import RushesError
from rushes_queue.local.farm_file import About, FarmSpec, LocalFarm
from rushes_queue.local.hearing import live_workers, open_store
from rushes_queue.local.process_guard import ProcessGuard
from rushes_queue.local.server import HOST

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ROUNDS = 0.5
LONGEST_PAUSE = 30.0
SECONDS_BETWEEN_HEARINGS = 5.0
SECONDS_TO_BE_HEARD = 150.0  # a worker that starts, or is silent; it ends itself before that
SECONDS_OF_A_GOOD_LIFE = 60.0  # after it, a death is the first one again

_SECONDS_TO_VANISH = 5.0


def pause_seconds(deaths: int) -> float:
    """Return how long to wait before a process is started again that died so often lately."""
    return min(2.0 ** min(deaths - 2, 10), LONGEST_PAUSE) if deaths else 0.0


class Charge:
    """One process that is to live."""

    def __init__(
        self, slot: ProcessGuard, *, seconds_to_be_heard: float = SECONDS_TO_BE_HEARD
    ) -> None:
        self.slot = slot
        self._seconds_to_be_heard = seconds_to_be_heard
        self._process: Popen[bytes] | None = None
        self._born: float | None = None  # of the process that lives, if one does
        self._deaths = 0
        self._due = 0.0
        self._silent_looks = 0

    def tend(self, command: Sequence[str], key: str, environment: Mapping[str, str]) -> None:
        """Start the process if it does not live and its pause is over."""
        if self._process is not None:
            self._process.poll()  # or it stays as a zombie, which looks alive
        if self.slot.is_taken():
            self._born = self._born or self.slot.started()
            if self.slot.is_orphaned():
                self.slot.kill()
            return
        if self._born is not None:
            self._note_end()
        if time.time() >= self._due:
            self._start(command, key, environment)

    def hear(self, is_heard: bool) -> None:
        """Take note of whether the worker is heard of; end one that is silent for long.

        It counts looks, not time: a machine that was asleep has heard nobody meanwhile.
        """
        is_young = time.time() - (self._born or time.time()) < self._seconds_to_be_heard
        self._silent_looks = 0 if is_heard or is_young else self._silent_looks + 1
        if self._silent_looks * SECONDS_BETWEEN_HEARINGS > self._seconds_to_be_heard:
            logger.error("%s is silent; it is ended and started again", self.slot.name)
            self._silent_looks = 0
            self.slot.kill()

    def _note_end(self) -> None:
        status = None  # of one that another supervisor started
        if self._process is not None:
            with suppress(TimeoutExpired):  # the lock is free a moment before the process is gone
                status = self._process.wait(_SECONDS_TO_VANISH)
        lived = time.time() - (self._born or 0)
        if status == 0:
            self._deaths = 0
        else:
            self._deaths = 1 if lived > SECONDS_OF_A_GOOD_LIFE else self._deaths + 1
        self._due = time.time() + pause_seconds(self._deaths)
        self._born = self._process = None
        logger.info(
            "%s ended (%s) after %.0f s; it starts again in %.1f s",
            *(self.slot.name, "unknown status" if status is None else f"status {status}"),
            *(lived, pause_seconds(self._deaths)),
        )

    def _start(self, command: Sequence[str], key: str, environment: Mapping[str, str]) -> None:
        about = About(key=key, deaths=self._deaths).model_dump_json()
        try:
            self._process = self.slot.start(command, about=about, environment=environment)
        except (RushesError, OSError) as error:
            logger.warning("%s cannot be started: %s", self.slot.name, error)
            self._deaths += 1
            self._due = time.time() + pause_seconds(self._deaths)
            return
        self._born = time.time()
        logger.info("%s is process %d", self.slot.name, self._process.pid)


def supervise(farm: LocalFarm) -> None:
    """Keep alive what the farm's file names, and look at it again in each round."""
    charges: dict[str, Charge] = {}
    next_hearing = time.monotonic()
    while True:
        spec = farm.spec()
        if spec is not None:
            _tend_all(farm, spec, charges)
            if time.monotonic() > next_hearing:
                next_hearing = time.monotonic() + SECONDS_BETWEEN_HEARINGS
                _hear_all(farm, spec, charges)
        time.sleep(SECONDS_BETWEEN_ROUNDS)


def _tend_all(farm: LocalFarm, spec: FarmSpec, charges: dict[str, Charge]) -> None:
    def charge(slot: ProcessGuard) -> Charge:
        return charges.setdefault(slot.name, Charge(slot))

    config = farm.folder / "broker.conf"
    charge(farm.server).tend([spec.server, str(config)], str(spec.port), os.environ)
    if not _answers(spec.port):
        return
    environment = _worker_environment(spec)
    for index in range(len(spec.workers)):
        charge(farm.worker(index)).tend(spec.command_of(index), spec.worker_key(index), environment)


def _hear_all(farm: LocalFarm, spec: FarmSpec, charges: Mapping[str, Charge]) -> None:
    """Ask the broker which workers are heard of; while it is away, none is to blame."""
    try:
        store = open_store(farm, spec)
        try:
            heard = live_workers(farm, store)
        finally:
            store.close()
    except RushesError:
        return
    for index in range(len(spec.workers)):
        name = farm.worker(index).name
        if name in charges:
            charges[name].hear(name in heard)


def _worker_environment(spec: FarmSpec) -> dict[str, str]:
    """Return this process's environment with the farm's settings and no others."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RUSHES_") and name != "REDIS_URL"
    }
    # A worker may run itself anew as a script; its own folder is not a place for imports.
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
