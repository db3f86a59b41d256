"""What workers say of themselves, maybe in another version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.errors import JobError

INFO = WorkerInfo(
    name="desk.gpu0.7",
    host="desk",
    pid=7,
    version="0.1.0",
    max_schema=2,
    started_ms=5,
    queues=("tiny.any.high", "tiny.any.normal"),
    gpu="H200",
    gpu_class="gpu80",
    status="busy",
    preset="tiny",
    note="a note",
)


def test_a_worker_comes_back_from_json() -> None:
    assert WorkerInfo.from_json(INFO.to_json()) == INFO


def test_what_an_older_worker_does_not_say_has_a_default() -> None:
    needed = ("name", "host", "pid", "version", "max_schema", "started_ms")
    said = {name: value for name, value in json.loads(INFO.to_json()).items() if name in needed}
    worker = WorkerInfo.from_json(json.dumps(said))
    assert (worker.queues, worker.gpu_class, worker.status, worker.preset) == (
        (),
        "any",
        "idle",
        None,
    )


def test_what_a_newer_worker_says_is_left_alone() -> None:
    said = json.loads(INFO.to_json()) | {"mood": "calm"}
    assert WorkerInfo.from_json(json.dumps(said)) == INFO


@pytest.mark.parametrize(
    "change",
    [{"status": "asleep"}, {"gpu_class": "gpu32"}, {"pid": "many"}, {"queues": [1]}],
    ids=str,
)
def test_what_no_worker_says_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="a worker says of itself"):
        WorkerInfo.from_json(json.dumps(json.loads(INFO.to_json()) | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "x" * 5000])
def test_what_cannot_be_read_is_shown_in_part(text: str) -> None:
    with pytest.raises(JobError) as caught:
        WorkerInfo.from_json(text)
    assert len(str(caught.value)) < 300


def test_a_worker_is_alive_until_it_leaves_or_falls_silent(store: JobRecords) -> None:
    other = replace(INFO, name="attic.gpu0.8")
    silent = replace(INFO, name="silent")
    for info in (INFO, other):
        assert store.workers.heartbeat(info, ttl_ms=60_000).is_over
    store.workers.heartbeat(silent, ttl_ms=0)
    assert [worker.info for worker in store.workers.live()] == [other, INFO]
    store.workers.leave(other.name)
    assert [worker.info for worker in store.workers.live()] == [INFO]
