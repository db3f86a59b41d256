"""Events of a job in the broker, and notices about what belongs to no job."""

from __future__ import annotations

import pytest

from farm.documents import document
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.errors import JobError, UnknownJobError


@pytest.fixture
def job(store: JobRecords) -> str:
    """A queued job."""
    made = document(0)
    store.submit(made, f"jobs/{made.id}/job.json")
    return made.id


def test_reading_goes_on_from_the_last_event(store: JobRecords, job: str) -> None:
    for number in range(3):
        assert store.events.add(job, "log", {"message": number})
    events = store.events.read(job)
    assert [(each.kind, each.fields) for each in events] == [
        ("log", {"message": str(number)}) for number in range(3)
    ]
    assert store.events.read(job, events[0].id, limit=1) == events[1:2]
    assert store.events.read(job, events[-1].id, block_ms=1) == ()
    with pytest.raises(JobError, match="is not a place"):
        store.events.read(job, "yesterday")


def test_an_attempt_that_lost_its_job_cannot_write(store: JobRecords, job: str) -> None:
    record = store.leases.claim(["tiny.any.normal"], "w", ttl_ms=30_000)
    assert record is not None
    assert store.events.add(job, "log", {}, fence=record.fence)
    assert not store.events.add(job, "log", {}, fence=record.fence - 1)


def test_an_unknown_job_has_no_events(store: JobRecords) -> None:
    with pytest.raises(UnknownJobError, match="0000000000000000: is unknown"):
        store.events.add("0" * 16, "log", {})
    assert store.events.read("0" * 16) == ()


def test_the_newest_notice_comes_first(store: JobRecords) -> None:
    for number in range(3):
        store.events.add_notice("message", f"number {number}", {"size": number})
    first, *_ = notices = store.events.notices(2)
    assert len(notices) == 2
    assert (first.kind, first.fields) == ("message", {"message": "number 2", "size": "2"})
