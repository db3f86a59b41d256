"""Changes of several jobs: one that is refused does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from farm.commands import Farm
from rushes_queue.broker.replies import Bell
from rushes_queue.client.changes import change_jobs, open_links
from rushes_queue.errors import JobConflictError
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.storage.open import open_storage


class Ringing(FarmLinks):
    """Links whose bells are only counted."""

    def ring(self, bells: Iterable[Bell]) -> bool:
        rung.append([bell.job for bell in bells])
        return True


rung: list[list[str]] = []


@pytest.fixture
def links(farm: Farm) -> FarmLinks:
    rung.clear()
    settings = load_settings(environment=farm.environment, folder=farm.folder)
    assert open_links(settings).settings.storage_patience_seconds == 5
    return Ringing(settings, farm.store, farm.storage)


def test_bells_ring_once_for_all_jobs_that_can_be_claimed(farm: Farm, links: FarmLinks) -> None:
    first, done, second = farm.submit(0), farm.done(1), farm.submit(2)
    for job in (first, second):
        farm.store.changes.cancel(job)
    jobs = (first, done, second)
    answers = dict(change_jobs(links, jobs, lambda changes, job: changes.retry(job)))
    assert isinstance(answers[done], JobConflictError)
    assert [farm.store.get(job).state for job in jobs] == ["queued", "done", "queued"]
    assert rung == [[first, second]]


def test_a_storage_that_is_away_stops_no_change(
    farm: Farm, links: FarmLinks, tmp_path: Path
) -> None:
    jobs = [farm.submit(take) for take in range(2)]
    (tmp_path / "file").write_bytes(b"")
    away = replace(links, storage=open_storage(str(tmp_path / "file" / "storage")))
    answers = dict(change_jobs(away, jobs, lambda changes, job: changes.cancel(job)))
    assert all(not isinstance(answer, Exception) for answer in answers.values())
    assert {farm.store.get(job).state for job in jobs} == {"cancelled"}
