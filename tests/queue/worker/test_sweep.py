"""The sweep ends what nobody holds any more, once for all workers, and tells who wants to know."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from farm.commands import Farm
from rushes_queue.broker.replies import Bell
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.states import State
from rushes_queue.settings.model import Settings
from rushes_queue.worker.sweep import after_loss, sweep


class Links(FarmLinks):
    """Ways to the farm that note what is rung and told."""

    rung: list[Bell]
    told: list[str]

    def ring(self, bells: Any) -> bool:
        self.rung.extend(bells)
        return True

    def announce_end(self, job: str, document: JobDocument | None = None) -> tuple[str, ...]:
        self.told.append(job)
        return ("the hook does not answer",)


@pytest.fixture
def links(farm: Farm) -> Links:
    settings = Settings(broker_url=SecretStr(farm.environment["RUSHES_BROKER_URL"]))
    links = Links(settings, farm.store, farm.storage)
    object.__setattr__(links, "rung", [])
    object.__setattr__(links, "told", [])
    return links


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_many_workers_one_sweeps(links: Links) -> None:
    assert sweep(links, worker="w0")
    assert not sweep(links, worker="w1")


def test_a_job_whose_lease_is_over_waits_again_and_is_rung(farm: Farm, links: Links) -> None:
    job = farm.submit()
    farm.store.leases.claim(["tiny.any.normal"], "w0", ttl_ms=1, host="h", gpu="cpu")
    time.sleep(0.05)
    assert sweep(links, worker="w1")
    assert farm.store.get(job).state is State.QUEUED
    assert Bell(job, "tiny.any.normal") in links.rung
    state = json.loads(farm.storage.get_bytes(f"jobs/{job}/state.json"))
    assert state["losses"] == 1
    assert links.told == []


def test_a_job_that_ended_without_a_worker_is_told_of(farm: Farm, links: Links) -> None:
    job = farm.submit()
    farm.store.changes.cancel(job)
    assert sweep(links, worker="w1")
    wait_for(lambda: links.told == [job])
    wait_for(lambda: b'"cancelled"' in farm.storage.get_bytes(f"jobs/{job}/state.json"))


@pytest.mark.parametrize(
    ("state", "told"), [(State.QUEUED, False), (State.QUARANTINED, True), (State.FAILED, True)]
)
def test_only_an_end_is_told(
    farm: Farm, links: Links, state: State, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    job = farm.submit()
    after_loss(links, job, state)
    assert links.told == [job] * told
    assert ("the hook does not answer" in caplog.text) is told
