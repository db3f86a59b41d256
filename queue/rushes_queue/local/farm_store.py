"""The records of the farm on this machine, and which of its workers are alive."""

from __future__ import annotations

import os
import socket

from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.local.farm_file import FarmSpec, LocalFarm


def live_workers(farm: LocalFarm, store: JobRecords) -> dict[str, LiveWorker]:
    """Return the farm's live workers by the names of their slots.

    Raises: BrokerError.
    """
    names = {slot.pid(): slot.name for slot in farm.workers()}
    here = socket.gethostname()
    workers = [worker for worker in store.workers.live() if worker.info.host == here]
    live = {_group_of(worker.info.pid): worker for worker in workers}
    return {names[pid]: live[pid] for pid in names if pid is not None and pid in live}


def open_store(farm: LocalFarm, spec: FarmSpec) -> JobRecords:
    """Open the store of the farm's jobs."""
    return JobRecords.open(farm.broker_url(), spec.environment["RUSHES_KEY_PREFIX"])


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
