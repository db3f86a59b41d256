"""A worker's housekeeping goes on, whatever happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from farm.running import wait_until
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.worker.housekeeping import Housekeeping
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.shared_status import SharedStatus


@pytest.fixture
def links(store: JobRecords, tmp_path: Path) -> FarmLinks:
    settings = load_settings({"work_dir": tmp_path / "work"}, {}, tmp_path)
    return FarmLinks(settings, store, FolderStorage(tmp_path / "storage"))


def test_housekeeping_survives_an_error_that_nobody_thought_of(links: FarmLinks) -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise ZeroDivisionError

    with Housekeeping(WorkerOptions("w", ("tiny",)), links, SharedStatus(), on_beat=fail):
        wait_until(lambda: len(calls) >= 2, "a second try")


def test_a_duty_is_done_while_the_records_cannot_be_read(
    links: FarmLinks, redis_client: Redis
) -> None:
    redis_client.set("rushes:live_workers", "x")  # where a sorted set should be
    calls = []
    with Housekeeping(
        WorkerOptions("w", ("tiny",)), links, SharedStatus(), on_beat=lambda: calls.append(1)
    ):
        wait_until(lambda: len(calls) >= 2, "a second beat")
        redis_client.delete("rushes:live_workers")
        wait_until(lambda: len(links.store.live_workers()) == 1, "the worker to be seen")
