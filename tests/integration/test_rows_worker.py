"""A worker that renders several jobs at the same time, on a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.running import RunningFarm
from farm.timelines import write_shot
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State

TEXTS = ("a cat", "a boat", "a tower", "a pond")


def write_shots(farm: RunningFarm, chunks: tuple[int, ...]) -> list[Path]:
    """Write timelines of these lengths, each of other prompts."""
    shots = []
    for number, (text, length) in enumerate(zip(TEXTS, chunks, strict=True)):
        shot = write_shot(farm.folder / f"{number}.json", chunks=length, seed=number + 1)
        document = json.loads(shot.read_text())
        document["prompts"][0]["prompts"][0]["text"] = text
        shot.write_text(json.dumps(document))
        shots.append(shot)
    return shots


def assert_done(farm: RunningFarm, record: JobRecord, number: int) -> None:
    frames, video = farm.render_here(farm.folder / f"{number}.json")
    assert record.state is State.DONE, record
    manifest = farm.manifest(record)
    assert manifest["frames_sha256"] == frames
    assert farm.video(record) == video


@pytest.mark.slow  # three renders beside each other, and each of them alone
def test_jobs_in_rows_are_what_they_are_alone(running: RunningFarm) -> None:
    """One ends, one is cancelled, and when the process is killed the others go on alone."""
    first, short, endless, last = running.submit(*write_shots(running, (90, 10, 900, 80)))
    worker = running.start_worker("--rows", 4)
    done = running.wait([short])[short]
    assert running.run("cancel", endless).exit_code == 0
    assert running.wait([endless])[endless].state is State.CANCELLED
    for job in (first, last):
        assert running.wait_for_chunk(job, 4).owner == worker.name
    worker.kill_child()
    records = running.wait([first, last])
    for job, number in ((first, 0), (last, 3)):
        assert_done(running, records[job], number)
        assert (records[job].attempts, records[job].losses) == (2, 1)
        assert running.manifest(records[job])["resumed_at_chunk"] > 0
        assert running.manifest(records[job])["rows"] == 1
    assert_done(running, done, 1)
    assert done.attempts == 1
    assert running.manifest(done)["rows"] > 1


@pytest.mark.long
def test_rows_of_a_worker_that_drains_go_on_elsewhere(running: RunningFarm) -> None:
    jobs = running.submit(*write_shots(running, (60, 50, 55, 65)))
    worker = running.start_worker("--rows", 4)
    for job in jobs:
        running.wait_for_chunk(job, 2)
    worker.terminate()
    assert worker.wait() == 0
    assert {record.state for record in running.store.get_many(jobs).values()} == {State.QUEUED}
    running.start_worker("--rows", 2)
    for number, record in enumerate(running.wait(jobs).values()):
        assert_done(running, record, number)
        assert record.losses == 0
