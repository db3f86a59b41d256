"""The record with which a job begins, and records that a broker takes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm.documents import document
from rushes_queue.errors import JobError
from rushes_queue.jobs.new_records import check_adopted, new_record
from rushes_queue.jobs.states import State

JOB = document(tags=("night", "a"), priority="high", gpu_class="gpu24", take=3)
RECORD = new_record(JOB, "jobs/x/job.json")
HELD: dict[str, Any] = {"state": State.RUNNING, "owner": "w0", "fence": 4}


def test_a_record_says_what_the_document_says() -> None:
    assert (RECORD.id, RECORD.name, RECORD.preset) == (JOB.id, "cat", "tiny")
    assert RECORD.queue == "tiny.gpu24.high"
    assert (RECORD.priority, RECORD.tags, RECORD.take) == ("high", ("night", "a"), 3)
    assert (RECORD.seed, RECORD.version) == (42, "0.1.0")
    assert (RECORD.num_chunks, RECORD.num_frames) == (JOB.num_chunks, JOB.num_frames)
    assert RECORD.document == "jobs/x/job.json"
    assert RECORD.document_sha256 == JOB.content_sha256
    assert RECORD.schema == JOB.schema_version


def test_a_new_job_waits_and_nobody_holds_it() -> None:
    assert RECORD.state is State.QUEUED
    assert (RECORD.owner, RECORD.fence, RECORD.attempts) == (None, 0, 0)
    check_adopted(RECORD)


@pytest.mark.parametrize(
    "change",
    [HELD, {"state": State.DONE, "fence": 4}, {"state": State.PAUSED}],
    ids=["held", "done", "paused"],
)
def test_a_record_that_could_be_is_taken_back(change: dict[str, Any]) -> None:
    check_adopted(replace(RECORD, **change))


@pytest.mark.parametrize(
    "change",
    [
        HELD | {"owner": None},
        HELD | {"fence": 0},
        {"owner": "w0", "fence": 4},
        {"id": "../../etc"},
        {"id": "0123456789abcdef0"},
        {"id": ""},
        {"queue": "tiny.gpu24"},
        {"queue": "tiny.gpu24.urgent"},
    ],
    ids=str,
)
def test_a_record_that_could_not_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(JobError):
        check_adopted(replace(RECORD, **change))
