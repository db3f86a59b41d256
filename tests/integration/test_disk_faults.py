"""Disks that are full or refuse to be written to: a job waits and goes on, and loses nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from farm.disks import small_disk
from farm.running import RunningFarm, running_farm, wait_until
from farm.timelines import write_shot
from rushes_queue.record import FailureKind
from rushes_queue.states import State

DISK_MEBIBYTES = 80  # above what a worker wants to be free before it begins


def failed_once(farm: RunningFarm, job: str) -> bool:
    return farm.store.get(job).failures + farm.store.get(job).hiccups > 0


@pytest.mark.parametrize("place", ["work", "storage"])
def test_a_disk_that_is_full_for_a_while(shared_cache: Path, tmp_path: Path, place: str) -> None:
    variable = {"work": "RUSHES_WORK_DIR", "storage": "RUSHES_STORAGE_URL"}[place]
    with (
        small_disk(tmp_path / "disk", DISK_MEBIBYTES) as disk,
        running_farm({variable: str(disk.folder)}, cache=shared_cache) as farm,
    ):
        farm.start_worker()
        (job,) = farm.submit(write_shot(farm.folder / "shot.json", chunks=80))
        farm.wait_for_chunk(job, 2)
        disk.fill()
        wait_until(lambda: failed_once(farm, job), lambda: farm.describe([job]))
        error = farm.store.get(job).error
        disk.empty()
        record = farm.wait([job])[job]
        assert record.state is State.DONE, farm.describe([job])
        assert error is not None
        assert error.kind is FailureKind.RESOURCE
        assert len(farm.results()) == 3
        assert not list(farm.storage.leftovers(before=farm.storage_now()))


def test_a_storage_that_refuses_writes_for_a_while(shared_cache: Path, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", DISK_MEBIBYTES) as disk,
        running_farm({"RUSHES_STORAGE_URL": str(disk.folder)}, cache=shared_cache) as farm,
    ):
        farm.start_worker()
        (job,) = farm.submit(write_shot(farm.folder / "shot.json", chunks=60))
        farm.wait_for_chunk(job, 2)
        disk.refuse_writes()
        time.sleep(6)
        disk.accept_writes()
        record = farm.wait([job])[job]
        assert record.state is State.DONE, farm.describe([job])
        assert len(farm.results()) == 3
