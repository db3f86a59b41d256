"""A record survives the broker's texts and the storage's JSON; what is none is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from farm.documents import document
from rushes_queue.errors import JobError
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import STORED_NAMES, Attempt, FailureKind, JobFailure, JobRecord
from rushes_queue.jobs.states import State

NEW = new_record(document(), "jobs/x/job.json")
FULL = replace(
    NEW,
    state=State.RUNNING,
    tags=("a", "ü, b"),
    waiting_for=("0" * 16,),
    started_ms=1,
    finished_ms=2,
    fence=3,
    oldest_fence=2,
    attempts=4,
    losses=5,
    losses_in_place=1,
    loss_chunk=0,
    failures=6,
    infrastructure_failures=7,
    owner="w0",
    lease_until_ms=8,
    chunk=9,
    frame=10,
    fps=0.125,
    prompt='a "cat"\n',
    not_before_ms=11,
    cancel=True,
    pause=True,
    error=JobFailure(FailureKind.RESOURCE, "no room", retryable=True),
    result={"output": "results/a.mp4", "files": {}},
    notes={"refused_by": "w1"},
    notify=("https://hooks.example/a",),
)


@pytest.mark.parametrize("record", [NEW, FULL], ids=["new", "full"])
def test_a_record_comes_back_from_the_fields_of_the_broker(record: JobRecord) -> None:
    texts = record.to_fields()
    assert all(isinstance(text, str) for text in texts.values())
    assert JobRecord.from_fields(record.id, texts) == record


@pytest.mark.parametrize("record", [NEW, FULL], ids=["new", "full"])
def test_a_record_comes_back_from_json(record: JobRecord) -> None:
    assert JobRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_the_full_record_leaves_no_field_at_its_default() -> None:
    names = {STORED_NAMES.get(each.name, each.name) for each in fields(JobRecord)}
    assert set(FULL.to_fields()) == names - {"id", "take"}


def test_a_new_record_counts_nothing_yet() -> None:
    for name in (
        *("fence", "oldest_fence", "attempts", "losses", "losses_in_place", "failures"),
        *("infrastructure_failures", "chunk", "frame", "fps"),
    ):
        assert (name, getattr(NEW, name)) == (name, 0)


def test_what_has_its_default_is_not_written() -> None:
    assert not {"owner", "cancel", "tags", "notes", "error", "fps"} & set(NEW.to_fields())
    assert replace(NEW, cancel=True).to_fields()["cancel"] == "1"
    assert "loss_chunk" not in NEW.to_fields()
    assert FULL.to_fields()["loss_chunk"] == "0"


def test_fields_of_a_later_version_are_left_alone() -> None:
    assert JobRecord.from_fields(NEW.id, NEW.to_fields() | {"later": "x"}) == NEW


@pytest.mark.parametrize(
    "change",
    [
        {"state": "asleep"},
        {"seed": "many"},
        {"tags": "["},
        {"error": "{}"},
        {"error": '{"kind": "x", "message": "", "retryable": false}'},
        {"tags": "5"},
    ],
    ids=str,
)
def test_fields_that_cannot_be_read_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(JobError, match=f"the record of job {NEW.id} cannot be read") as caught:
        JobRecord.from_fields(NEW.id, NEW.to_fields() | change)
    assert caught.value.job == NEW.id


def test_fields_without_one_that_is_needed_are_refused() -> None:
    texts = NEW.to_fields()
    del texts["queue"]
    with pytest.raises(JobError, match="queue"):
        JobRecord.from_fields(NEW.id, texts)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"state": "asleep"}, "state"),
        ({"seed": "many"}, "seed"),
        ({"priority": "urgent"}, "priority"),
        ({"error": {"kind": "x", "message": ""}}, "error"),
        ({"tags": [1]}, "tags"),
    ],
    ids=str,
)
def test_json_that_is_not_a_record_is_refused_with_the_place(
    change: dict[str, Any], place: str
) -> None:
    with pytest.raises(JobError, match=f"this is not a record of a job: {place}"):
        JobRecord.from_dict(NEW.to_dict() | change)


def test_an_attempt_of_another_version_is_read_as_far_as_it_goes() -> None:
    data = {"number": 1, "fence": 2, "worker": "w0", "host": "h", "gpu": "cpu", "started_ms": 3}
    assert Attempt.from_json(json.dumps(data | {"later": 1})) == Attempt(1, 2, "w0", "h", "cpu", 3)
    ended = Attempt.from_json(json.dumps(data | {"last_chunk": 4, "reason": "lost"}))
    assert (ended.last_chunk, ended.reason, ended.ended_ms) == (4, "lost", None)
