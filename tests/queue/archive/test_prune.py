"""What a storage no longer needs, told from what somebody may still need."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rushes_queue.archive.prune import Pruned, prune
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.storage.storage import Entry

NOW = datetime.now(UTC)
MONTH = timedelta(days=30)
USED, UNUSED = "a" * 64, "b" * 64


class Aged:
    """A storage whose objects have the age that a test gives them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.storage = folder, FolderStorage(folder)

    def put(self, key: str, days: float, data: bytes = b"1234") -> str:
        self.storage.put_bytes(key, data)
        self.age(key, days)
        return key

    def age(self, key: str, days: float) -> None:
        then = (NOW - timedelta(days=days)).timestamp()
        os.utime(self.folder / key, (then, then))

    def prune(self, **more: Any) -> Pruned:
        values: dict[str, Any] = {"now": NOW, "older_than": MONTH, "finished": ()}
        return prune(self.storage, **values | more)

    def keys(self) -> list[str]:
        return [entry.key for entry in self.storage.list()]


@pytest.fixture
def aged(tmp_path: Path) -> Aged:
    return Aged(tmp_path / "storage")


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.key for entry in entries]


def test_results_go_by_their_age_alone(aged: Aged) -> None:
    aged.put("results/2026/old.mp4", 31)
    young = aged.put("results/2026/young.mp4", 29)
    pruned = aged.prune()
    assert names(pruned.results) == ["results/2026/old.mp4"]
    assert aged.keys() == [young]
    assert pruned.num_bytes == 4


@pytest.mark.parametrize("days", [29, 31])
def test_save_points_stay_while_their_job_lives(aged: Aged, days: float) -> None:
    for key in ("jobs/alive/job.json", "work/alive/1", "jobs/ended/job.json", "work/ended/1"):
        aged.put(key, days)
    aged.put("work/stray/1", days)
    pruned = aged.prune(finished={"ended"})
    expected = ["work/ended/1", "work/stray/1"] if days > 30 else []
    assert sorted(names(pruned.work)) == expected
    assert "work/alive/1" in aged.keys()
    assert "jobs/ended/job.json" in aged.keys()


def test_save_points_go_only_when_all_of_a_job_are_old(aged: Aged) -> None:
    aged.put("work/stray/1", 99)
    aged.put("work/stray/2", 29)
    assert aged.prune().work == ()


def test_documents_of_forgotten_jobs_go_at_any_age(aged: Aged) -> None:
    for key in ("jobs/gone/job.json", "jobs/gone/state.json", "jobs/kept/job.json"):
        aged.put(key, 0)
    pruned = aged.prune(forgotten=["gone"], finished=["kept"])
    assert names(pruned.documents) == ["jobs/gone/job.json", "jobs/gone/state.json"]
    assert aged.keys() == ["jobs/kept/job.json"]


def test_a_blob_goes_when_no_document_names_it(aged: Aged) -> None:
    aged.put("jobs/kept/job.json", 99, f'{{"sha256": "{USED}"}}'.encode())
    aged.put("jobs/gone/job.json", 99, f'{{"sha256": "{UNUSED}"}}'.encode())
    aged.put(f"blobs/aa/{USED}", 99)
    aged.put(f"blobs/bb/{UNUSED}", 99)
    assert aged.prune().blobs == ()
    assert names(aged.prune(forgotten=["gone"]).blobs) == [f"blobs/bb/{UNUSED}"]
    assert aged.keys() == [f"blobs/aa/{USED}", "jobs/kept/job.json"]


def test_a_blob_has_a_day_of_grace_until_its_document_comes(aged: Aged) -> None:
    aged.put(f"blobs/bb/{UNUSED}", 0.9)
    assert aged.prune(older_than=timedelta(0)).blobs == ()
    aged.age(f"blobs/bb/{UNUSED}", 1.1)
    assert aged.prune(older_than=timedelta(0)).num_bytes == 4


def test_a_blob_that_is_used_meanwhile_stays(aged: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    aged.put(f"blobs/bb/{UNUSED}", 99)
    leftovers = aged.storage.leftovers

    def use_it(before: datetime) -> Any:
        aged.storage.touch(f"blobs/bb/{UNUSED}")  # a job is handed in just now
        return leftovers(before)

    monkeypatch.setattr(aged.storage, "leftovers", use_it)
    assert aged.prune().blobs == ()
    assert aged.keys() == [f"blobs/bb/{UNUSED}"]


def test_what_was_interrupted_goes_after_a_day(aged: Aged) -> None:
    aged.put("checks/old", 2)
    aged.put("checks/young", 0.5)
    half = aged.folder / "work" / ".rushes-1.tmp"
    half.parent.mkdir()
    half.touch()
    pruned = aged.prune()
    assert (names(pruned.checks), pruned.leftovers) == (["checks/old"], ())
    aged.age("work/.rushes-1.tmp", 2)
    assert names(aged.prune().leftovers) == ["work/.rushes-1.tmp"]
    assert not half.exists()


def test_a_dry_run_finds_the_same_and_removes_nothing(aged: Aged) -> None:
    for key in ("results/a", f"blobs/bb/{UNUSED}", "work/a/1", "checks/a", "jobs/gone/job.json"):
        aged.put(key, 99)
    before = aged.keys()
    found = aged.prune(forgotten=["gone"], dry_run=True)
    assert aged.keys() == before
    assert sorted(names(found.entries)) == before
    assert found.num_bytes == 4 * len(before)
    assert aged.prune(forgotten=["gone"]) == found
    assert aged.keys() == []
