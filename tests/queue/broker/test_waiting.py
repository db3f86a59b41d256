"""Why a job waits that no live worker can take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm.commands import Farm
from farm.documents import document
from rushes_queue.broker.live_workers import LiveWorker, WorkerInfo
from rushes_queue.broker.waiting import why_waiting
from rushes_queue.jobs.document import SCHEMA_VERSION
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.queue_names import served_queues

WORKER = WorkerInfo(
    name="w",
    host="h",
    pid=1,
    version="1",
    max_schema=SCHEMA_VERSION,
    started_ms=0,
    queues=tuple(served_queues(["tiny"], "gpu24")),
)


@pytest.mark.parametrize(
    ("worker", "job", "reason"),
    [
        ({}, {}, None),
        ({"queues": ("pocket.any.normal",)}, {}, "no live worker serves the preset tiny"),
        ({}, {"gpu_class": "gpu80"}, "has a GPU of class gpu80"),
        ({"tags": ("night",)}, {"tags": ("day",)}, "take only jobs with other tags"),
        ({"tags": ("night",)}, {"tags": ("night", "day")}, None),
        ({"max_schema": 1}, {}, "do not read documents of version"),
        ({"status": "unhealthy"}, {}, "rest or drain"),
        ({"status": "busy"}, {}, None),
    ],
)
def test_the_reason_is_named(
    worker: dict[str, Any], job: dict[str, Any], reason: str | None
) -> None:
    record = new_record(document(**job), "jobs/x/job.json")
    found = why_waiting(record, [LiveWorker(replace(WORKER, **worker), 0, ())])
    assert (found is None) == (reason is None)
    assert (reason or "") in (found or "")


def test_it_is_said_wherever_the_job_is_shown(farm: Farm) -> None:
    job = farm.submit()
    assert "1 waits: no worker lives" in farm.run("jobs").stderr
    assert "queued, no worker" in farm.run("jobs").stdout
    assert "waits: no worker lives" in farm.run("status", job).stdout
    assert farm.json("status", job)["jobs"][0]["notes"] == {"waits": "no worker lives"}
    assert "no worker lives" in farm.run("watch", job, "--timeout", 0).stderr
    farm.store.workers.heartbeat(WORKER, ttl_ms=60_000)
    assert farm.run("jobs").stderr == ""
    assert farm.json("status", job)["jobs"][0]["notes"] == {}
