"""What a worker says of a job is kept in the broker, and lost rather than costing the job."""

from __future__ import annotations

import logging

import pytest

from farm.commands import Farm
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.worker.job_log import JobLog


def test_lines_are_kept_with_their_level_and_attempt(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    job = farm.submit()
    log = JobLog(farm.store, job, 3)
    with caplog.at_level(logging.INFO):
        log.say("loaded")
        log.say("it broke", "error")
    lines = [event.fields for event in farm.store.events.read(job, "0") if event.kind == "log"]
    assert lines == [
        {"level": "info", "message": "loaded", "attempt": "3"},
        {"level": "error", "message": "it broke", "attempt": "3"},
    ]
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]
    assert {(record.job, record.attempt) for record in caplog.records} == {(job, 3)}  # type: ignore[attr-defined]
    assert f"job {job}: it broke" in caplog.text


def test_a_broker_that_is_away_costs_the_line_only(caplog: pytest.LogCaptureFixture) -> None:
    store = JobRecords.open("redis://127.0.0.1:1/0", "rushes:")
    JobLog(store, "0" * 16, 1).say("loaded")
    assert "its log cannot be written: the broker at 127.0.0.1:1" in caplog.text
    store.close()
