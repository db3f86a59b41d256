"""Which waiting jobs join a batch, and which have their turn first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farm.busy import WORKER
from farm.commands import Farm
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import JobRequest
from rushes_queue.jobs.record import FailureKind, JobRecord
from rushes_queue.settings.model import Settings
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.rows.company import Company

OTHER = JobRequest(threads=2)  # of a job that does not fit
OPTIONS = WorkerOptions(name="w@host", presets=("tiny", "pocket"), rows=4)


class Bench:
    """A farm, and what a worker of it has in hand."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.company = Company(FarmLinks(Settings(), farm.store, farm.storage), OPTIONS)
        kind = self.company.kind_of(self.record(farm.submit(0)))
        assert kind is not None
        self.kind = kind
        self.first = farm.claim()

    def record(self, job: str) -> JobRecord:
        return self.farm.store.get(job)

    def claim(self, job: str) -> JobRecord:
        queues = OPTIONS.queues()
        record = self.farm.store.leases.claim(queues, "w@host", ttl_ms=60_000, only=[job])
        assert record is not None
        return record

    def joinable(self, *, is_first_time: bool = True) -> list[str]:
        return self.company.joinable(self.kind, "tiny", is_first_time=is_first_time)


@pytest.fixture
def bench(farm: Farm) -> Bench:
    return Bench(farm)


def test_jobs_of_the_same_kind_join_in_the_order_of_service(bench: Bench) -> None:
    later, urgent = bench.farm.submit(1), bench.farm.submit(2, priority="high")
    for is_first_time in (True, False):
        assert bench.joinable(is_first_time=is_first_time) == [urgent, later]


def test_another_job_is_overtaken_once_and_then_has_its_turn(bench: Bench) -> None:
    bench.farm.submit(1, request=OTHER)
    fitting = bench.farm.submit(2)
    assert bench.joinable() == [fitting]
    assert bench.joinable(is_first_time=False) == []


def test_no_job_overtakes_a_more_urgent_one(bench: Bench) -> None:
    bench.farm.submit(1, request=OTHER, priority="high")
    bench.farm.submit(2)
    assert bench.joinable() == []


def test_a_job_that_was_lost_or_failed_is_rendered_alone(bench: Bench) -> None:
    store = bench.farm.store
    lost, failed = bench.farm.submit(1), bench.farm.submit(2)
    store.ends.lose(lost, bench.claim(lost).fence, "it crashed")
    fence = bench.claim(failed).fence
    store.ends.fail(failed, fence, FailureKind.RESOURCE, "no memory", delay_ms=0)
    assert bench.company.kind_of(bench.record(lost)) is None
    assert bench.company.kind_of(bench.record(failed)) is None
    assert bench.joinable() == []


def test_new_jobs_are_left_to_a_worker_that_has_nothing_to_do(bench: Bench) -> None:
    job = bench.farm.submit(1)
    idle = replace(WORKER, status="idle", queues=OPTIONS.queues())
    bench.farm.store.workers.heartbeat(idle, ttl_ms=60_000)
    assert bench.joinable() == []
    bench.farm.store.workers.heartbeat(replace(idle, status="busy"), ttl_ms=60_000)
    assert bench.joinable() == [job]
