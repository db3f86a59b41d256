"""What scripts see of a job."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from farm.documents import document
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.public_json import iso_time, seconds_left, seconds_taken, to_json
from rushes_queue.jobs.record import FailureKind, JobFailure
from rushes_queue.jobs.states import State

RECORD = replace(new_record(document(), "jobs/x/job.json"), created_ms=1_767_312_000_123)
RUNNING = replace(RECORD, state=State.RUNNING, owner="w0", fps=2.0, frame=3, num_frames=33)


def test_a_waiting_job() -> None:
    seen = json.loads(json.dumps(to_json(RECORD)))
    assert (seen["id"], seen["name"], seen["state"]) == (RECORD.id, "cat", "queued")
    assert (seen["worker"], seen["fps"], seen["seconds_left"]) == (None, None, None)
    assert seen["created_at"] == "2026-01-02T00:00:00.123+00:00"
    assert (seen["started_at"], seen["finished_at"], seen["not_before"]) == (None, None, None)
    assert (seen["error"], seen["result"], seen["tags"]) == (None, None, [])


def test_a_running_job_says_how_far_it_is() -> None:
    seen = to_json(replace(RUNNING, cancel=True, pause=True, prompt="a cat"))
    assert (seen["worker"], seen["fps"], seen["seconds_left"]) == ("w0", 2.0, 15.0)
    assert (seen["frame"], seen["num_frames"], seen["prompt"]) == (3, 33, "a cat")
    assert seen["cancel_requested"]
    assert seen["pause_requested"]


def test_a_failed_job_says_why() -> None:
    error = JobFailure(FailureKind.INPUT, "clip.mp4: is truncated")
    seen = to_json(replace(RUNNING, state=State.FAILED, error=error, finished_ms=1000))
    assert seen["error"] == {"kind": "input", "message": "clip.mp4: is truncated"}
    assert seen["finished_at"] == "1970-01-01T00:00:01.000+00:00"
    assert seen["fps"] is None


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({}, 15.0),
        ({"fps": 9.0}, 3.3),
        ({"frame": 33}, 0.0),
        ({"frame": 40}, 0.0),
        ({"fps": 0.0}, None),
        ({"fps": -1.0}, None),
        ({"state": State.PAUSED}, None),
    ],
    ids=str,
)
def test_the_time_that_is_left(change: dict[str, Any], left: float | None) -> None:
    assert seconds_left(replace(RUNNING, **change)) == left


def test_times_have_milliseconds_and_a_zone() -> None:
    assert iso_time(None) is None
    assert iso_time(0) == "1970-01-01T00:00:00.000+00:00"


def test_a_job_that_is_done_took_as_long_as_its_only_attempt() -> None:
    done = replace(
        RUNNING, state=State.DONE, started_ms=1000, finished_ms=4500, attempts=1, owner=None
    )
    assert seconds_taken(done) == 3.5
    assert to_json(done)["seconds_taken"] == 3.5
    assert seconds_taken(replace(done, attempts=2)) is None
    assert seconds_taken(RUNNING) is None
