"""Disks that are full or refuse to be written to: a job waits and goes on, and loses nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from farm.disks import small_disk
from farm.long_form import lasting
from farm.running import RunningFarm, running_farm, wait_until
from farm.timelines import write_shot
from rushes_queue.jobs.record import FailureKind
from rushes_queue.jobs.states import State

DISK_KIBIBYTES = 80 * 1024  # above what a worker wants to be free before it begins


def failed_once(farm: RunningFarm, job: str) -> bool:
    return farm.store.get(job).failures + farm.store.get(job).infrastructure_failures > 0


@pytest.mark.parametrize("place", ["work", "storage"])
def test_a_disk_that_is_full_for_a_while(shared_cache: Path, tmp_path: Path, place: str) -> None:
    variable = {"work": "RUSHES_WORK_DIR", "storage": "RUSHES_STORAGE_URL"}[place]
    with (
        small_disk(tmp_path / "disk", DISK_KIBIBYTES) as disk,
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
        small_disk(tmp_path / "disk", DISK_KIBIBYTES) as disk,
        running_farm({"RUSHES_STORAGE_URL": str(disk.folder)}, cache=shared_cache) as farm,
    ):
        farm.start_worker()
        (job,) = farm.submit(write_shot(farm.folder / "shot.json", chunks=60))
        farm.wait_for_chunk(job, 2)
        disk.refuse_writes()
        time.sleep(lasting(6, 30))
        disk.accept_writes()
        record = farm.wait([job])[job]
        assert record.state is State.DONE, farm.describe([job])
        assert len(farm.results()) == 3


def test_a_disk_that_is_full_when_the_result_is_joined(running: RunningFarm) -> None:
    """Segments and save points have room, the finished file has none."""
    shot = write_shot(running.folder / "shot.json", chunks=80)
    running.start_worker()
    (job,) = running.submit(shot)
    running.wait_for_chunk(job, 2)
    (output,) = (running.folder / "work").glob(".*/output")
    with small_disk(output, 4):  # the least there is
        wait_until(lambda: failed_once(running, job), lambda: running.describe([job]))
    error = running.store.get(job).error
    record = running.wait([job])[job]
    assert error is not None
    assert error.kind is FailureKind.RESOURCE
    assert "the disk is full" in error.message
    assert running.manifest(record)["resumed_at_chunk"] > 0
    assert running.video(record) == running.render_here(shot)[1]
    assert len(running.results()) == 3


@pytest.mark.parametrize("num_stored", [0, 1])
def test_a_storage_that_is_full_when_the_result_is_published(
    shared_cache: Path, num_stored: int
) -> None:
    """Of the files of a result there is room for none, or for the video only."""
    with running_farm(cache=shared_cache) as farm:
        shot = write_shot(farm.folder / "shot.json", chunks=40)
        frames, video = farm.render_here(shot)
        kibibytes = num_stored * -(-len(video) // 4096) * 4 + 4  # pages, and one for the folder
        with small_disk(farm.folder / "storage" / "results", kibibytes) as disk:
            farm.start_worker()
            (job,) = farm.submit(shot)
            wait_until(lambda: failed_once(farm, job), lambda: farm.describe([job]))
            error = farm.store.get(job).error
            assert farm.results() == []
            disk.grow(80)
            record = farm.wait([job])[job]
            assert error is not None
            assert error.kind is FailureKind.RESOURCE
            assert farm.manifest(record)["frames_sha256"] == frames
            assert farm.video(record) == video
            assert len(farm.results()) == 3

            def is_clean() -> bool:  # soon: the record of its end may just be written
                return not list(farm.storage.leftovers(before=farm.storage_now()))

            wait_until(is_clean, "the storage to be clean")
