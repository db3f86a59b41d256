"""A worker's housekeeping goes on, whatever happens to it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from redis import Redis

from farm.documents import document
from farm.running import wait_until
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.worker.housekeeping import Housekeeping
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.shared_status import Activity, SharedStatus


@pytest.fixture
def links(store: JobRecords, tmp_path: Path) -> FarmLinks:
    settings = load_settings({"work_dir": tmp_path / "work"}, {}, tmp_path)
    return FarmLinks(settings, store, FolderStorage(tmp_path / "storage"))


def test_housekeeping_survives_an_error_that_nobody_thought_of(links: FarmLinks) -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise ZeroDivisionError

    with Housekeeping(WorkerOptions("w", ("tiny",)), links, SharedStatus(), every_second=fail):
        wait_until(lambda: len(calls) >= 2, "a second try")


def test_housekeeping_that_hangs_is_noticed(links: FarmLinks) -> None:
    is_over, silent = threading.Event(), threading.Event()

    def hang() -> None:
        is_over.wait(60)

    with Housekeeping(
        WorkerOptions("w", ("tiny",)),
        links,
        SharedStatus(),
        hang,
        on_hang=silent.set,
        silent_seconds=2.0,
    ):
        assert silent.wait(30)
        is_over.set()


def test_a_worker_that_is_idle_while_a_job_waits_is_noticed(links: FarmLinks) -> None:
    links.store.submit(made := document(), f"jobs/{made.id}/job.json")
    shared, stalled = SharedStatus(), threading.Event()
    shared.write(Activity("busy", "tiny", "other", 1, 0, 1))
    options = WorkerOptions("w", ("tiny",))
    with Housekeeping(options, links, shared, on_stalled=stalled.set, sweep_seconds=0.2):
        assert not stalled.wait(1.5)  # it is busy, so the job has to wait
        shared.write(Activity("idle"))
        assert stalled.wait(30)
        wait_until(
            lambda: links.store.workers.live()[0].info.status == "unhealthy", "it to be shown"
        )
    messages = [event.fields.get("message", "") for event in links.store.events.read(made.id)]
    assert any(f"idle although job {made.id} waits" in message for message in messages)


def test_a_worker_that_cannot_take_what_waits_has_not_stalled(links: FarmLinks) -> None:
    links.store.submit(made := document(tags=("night",)), f"jobs/{made.id}/job.json")
    queues = WorkerOptions("w", ("tiny",)).queues()
    assert links.store.leases.waiting_for_worker(queues) == made.id
    assert links.store.leases.waiting_for_worker(queues, tags=["day"]) is None
    assert links.store.leases.waiting_for_worker(queues, max_schema=0) is None
    assert links.store.leases.waiting_for_worker(["pocket.any.normal"]) is None


def test_a_duty_is_done_while_the_records_cannot_be_read(
    links: FarmLinks, redis_client: Redis
) -> None:
    redis_client.set("rushes:live_workers", "x")  # where a sorted set should be
    calls = []
    with Housekeeping(
        WorkerOptions("w", ("tiny",)), links, SharedStatus(), every_second=lambda: calls.append(1)
    ):
        wait_until(lambda: len(calls) >= 2, "a second beat")
        redis_client.delete("rushes:live_workers")
        wait_until(lambda: len(links.store.workers.live()) == 1, "the worker to be seen")
