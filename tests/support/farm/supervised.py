"""Broker and workers that the supervisor of ``rushes up`` keeps alive, to be mistreated too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from checkout import ROOT
from farm.running import (
    PATIENCE_SECONDS,
    ReachableFarm,
    children_of,
    farm_folder,
    open_storage_of,
    settings_in,
    wait_until,
)
from rushes_queue.broker.connection import server_time_ms
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.errors import BrokerError
from rushes_queue.local.control import bring_up, plan_farm
from rushes_queue.local.farm_file import FarmSpec, LocalFarm
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.local.process_guard import ProcessGuard, wait_until_free

_WORKER = str(ROOT / "tests/support/farm/crash_worker.py")


class SupervisedWorker:
    """The worker of a slot, whichever process that is now."""

    def __init__(self, slot: ProcessGuard) -> None:
        self._slot = slot

    @property
    def name(self) -> str:
        """What the process that lives now is called; see ``crash_worker``."""
        return f"{self._slot.name}.{self._slot.pid()}"

    def kill_child(self) -> None:
        """Kill the process that renders."""
        for pid in children_of(self._slot.pid() or 0):
            os.kill(pid, signal.SIGKILL)

    def kill_parent(self) -> None:
        """Kill the process that looks after the one that renders, and not that one."""
        self._slot.send(signal.SIGKILL)

    def kill(self) -> None:
        """Kill both."""
        self._slot.kill()

    def drain(self) -> None:
        """Ask it to end, and wait until it has."""
        pid = self._slot.pid()
        self._slot.send(signal.SIGTERM)
        wait_until(lambda: self._slot.pid() != pid, f"{self.name} to drain")

    def signal_all(self, number: int) -> None:
        """Send a signal to both."""
        pid = self._slot.pid()
        with suppress(ProcessLookupError):
            if pid is not None:
                os.killpg(pid, number)


@dataclass
class SupervisedFarm(ReachableFarm):
    """A farm as ``rushes up`` starts it; its workers die where a job's name says so."""

    local: LocalFarm = field(kw_only=True)
    spec: FarmSpec = field(kw_only=True)

    @property
    def slots(self) -> list[SupervisedWorker]:
        """Its workers."""
        return [SupervisedWorker(self.local.worker(each)) for each in range(len(self.spec.workers))]

    def kill_supervisor(self, victim: SupervisedWorker, pause_seconds: float) -> None:
        """Kill the supervisor, and a worker that nobody starts again until ``rushes up``."""
        self.local.supervisor.kill()
        victim.kill()
        time.sleep(pause_seconds)
        wait_until_free([self.local.supervisor], PATIENCE_SECONDS)
        bring_up(self.local, self.spec, lambda line: None, PATIENCE_SECONDS)

    def kill_broker(self) -> None:
        """Kill the broker, and wait until the supervisor has started it again."""
        self.local.server.kill()
        wait_until(self._is_answered, "the broker to be started again")

    def start_sick_worker(self) -> subprocess.Popen[bytes]:
        """Start one more worker, which crashes with every job, and which nobody looks after."""
        command = [sys.executable, _WORKER, "sick", str(self.folder), "--sick"]
        with (self.folder / "sick.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_answered(self) -> bool:
        try:
            server_time_ms(self.store.client)
        except BrokerError:
            return False
        return True


@contextmanager
def supervised_farm(
    environment: Mapping[str, str], num_workers: int, *, cache: Path | None = None
) -> Iterator[SupervisedFarm]:
    """Start a farm with so many workers; arguments else as of ``running_farm``."""
    with farm_folder() as folder:
        local = LocalFarm(folder / "farm")
        local.folder.mkdir()
        settings = settings_in(folder, environment, cache)
        spec = plan_farm(
            *(local, read_settings(None, settings, folder)),
            workers=["cpu"] * num_workers,
            worker_command=[sys.executable, _WORKER, "", str(folder)],
        )
        try:
            bring_up(local, spec, lambda line: None, PATIENCE_SECONDS)
            settings["RUSHES_BROKER_URL"] = local.broker_url()
            storage, store = open_storage_of(settings), JobRecords.open(local.broker_url())
            yield SupervisedFarm(folder, settings, storage, store, local=local, spec=spec)
        finally:
            _end(local)


def _end(local: LocalFarm) -> None:
    """Kill the supervisor and everything that it started."""
    slots = [local.supervisor, local.server, *local.workers()]
    for slot in slots:  # the supervisor first
        slot.kill()
    wait_until_free(slots, PATIENCE_SECONDS)
