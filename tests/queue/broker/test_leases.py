"""Claims, renewals and sweeps, one call after another (in any order: test_job_records)."""

from __future__ import annotations

import pytest

from farm.documents import document
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import RenewAnswer
from rushes_queue.jobs.record import FailureKind, JobProgress, JobRecord

QUEUES = ("tiny.any.normal",)
CLOCK = "clock"


@pytest.fixture
def timed(store: JobRecords) -> JobRecords:
    """The store with a clock that the test sets."""
    store.client.set(CLOCK, 1_000_000)
    return JobRecords(store.client, clock_key=CLOCK)


def move_clock(store: JobRecords, seconds: float) -> None:
    store.client.incrby(CLOCK, round(seconds * 1000))


def submit(store: JobRecords, take: int, *tags: str) -> str:
    made = document(take, tags=tags)
    store.submit(made, f"jobs/{made.id}/job.json")
    return made.id


def claim(store: JobRecords, worker: str) -> JobRecord:
    record = store.leases.claim(QUEUES, worker, ttl_ms=30_000)
    assert record is not None
    return record


def test_a_claim_whose_answer_was_lost_can_be_repeated(store: JobRecords) -> None:
    submit(store, 0), submit(store, 1)
    first, again, other = (
        store.leases.claim(QUEUES, "w", ttl_ms=30_000, request=request) for request in "aab"
    )
    assert first is not None
    assert other is not None
    assert again == first
    assert other.id != first.id


def test_a_worker_with_tags_takes_only_jobs_that_have_one_of_them(store: JobRecords) -> None:
    submit(store, 0)
    tagged = submit(store, 1, "night", "draft")
    assert store.leases.waiting_for_worker(QUEUES, tags=("night",)) == tagged
    record = store.leases.claim(QUEUES, "w", ttl_ms=30_000, tags=("night",))
    assert record is not None
    assert record.id == tagged
    assert store.leases.waiting_for_worker(QUEUES, tags=("night",)) is None


def test_a_claim_may_be_for_some_jobs_only(store: JobRecords) -> None:
    jobs = [submit(store, take) for take in range(3)]
    assert store.leases.waiting_jobs(QUEUES, 2) == tuple(jobs[:2])
    record = store.leases.claim(QUEUES, "w", ttl_ms=30_000, only=jobs[1:2])
    assert record is not None
    assert record.id == jobs[1]
    assert store.leases.claim(QUEUES, "w", ttl_ms=30_000, only=jobs[1:2]) is None
    assert store.leases.waiting_jobs(QUEUES, 9) == (jobs[0], jobs[2])


@pytest.mark.parametrize("batch", ["", "a batch"], ids=["apart", "together"])
def test_jobs_of_one_process_are_one_loss_of_their_place(timed: JobRecords, batch: str) -> None:
    for take in range(4):
        submit(timed, take)
        timed.leases.claim(QUEUES, "w", ttl_ms=30_000, place="gpu0", batch=batch)
    move_clock(timed, 31)
    assert len(timed.leases.reap().lost) == 4
    rests = timed.client.exists("rushes:rests:gpu0")
    assert bool(rests) is not bool(batch)
    assert bool(timed.leases.waiting_jobs(QUEUES, 4, place="gpu0")) is bool(batch)


def test_a_renewal_reports_progress_and_brings_the_wish_of_the_user(store: JobRecords) -> None:
    job = submit(store, 0)
    fence = claim(store, "w").fence
    progress = JobProgress(2, 8, 12.5, "a cat" * 100)
    assert store.leases.renew(job, fence, 30_000, progress) is RenewAnswer.OK
    record = store.get(job)
    assert (record.chunk, record.frame, record.fps) == (2, 8, 12.5)
    assert len(record.prompt) == 100
    store.changes.cancel(job)
    assert store.leases.renew(job, fence, 30_000) is RenewAnswer.CANCEL
    assert store.leases.renew(job, fence - 1, 30_000) is RenewAnswer.FENCED
    assert store.leases.renew("0" * 16, fence, 30_000) is RenewAnswer.UNKNOWN


def test_a_lease_that_is_not_renewed_expires(timed: JobRecords) -> None:
    job = submit(timed, 0)
    claim(timed, "w")
    move_clock(timed, 29)
    assert timed.leases.reap().lost == ()
    move_clock(timed, 2)
    assert timed.leases.reap().lost == ((job, "queued"),)


def test_a_renewed_lease_lasts_as_long_again(timed: JobRecords) -> None:
    job = submit(timed, 0)
    fence = claim(timed, "w").fence
    move_clock(timed, 29)
    assert timed.leases.renew(job, fence, 30_000) is RenewAnswer.OK
    move_clock(timed, 29)
    assert timed.leases.reap().lost == ()
    move_clock(timed, 2)
    assert timed.leases.reap().lost == ((job, "queued"),)


def test_only_one_worker_sweeps_at_a_time(store: JobRecords) -> None:
    assert store.leases.begin_sweep("a", pause_ms=60_000)
    assert not store.leases.begin_sweep("b", pause_ms=60_000)


def test_a_job_that_a_worker_cannot_take_is_kept_from_it_longer_each_time(
    timed: JobRecords,
) -> None:
    job = submit(timed, 0)
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        record = claim(timed, "old")
        timed.ends.release(job, record.fence, "is of another version", is_refused=True)
        assert timed.get(job).notes == {"refused_by": "old: is of another version"}
        assert timed.leases.waiting_for_worker(QUEUES, place="old") is None
        move_clock(timed, 60 * minutes - 1)
        assert timed.leases.claim(QUEUES, "old", ttl_ms=30_000) is None
        move_clock(timed, 1)
    assert timed.leases.claim(QUEUES, "new", ttl_ms=30_000) is not None
    assert timed.get(job).notes == {}


def test_a_job_whose_time_came_during_a_claim_elsewhere_is_rung_by_the_next_sweep(
    timed: JobRecords,
) -> None:
    job = submit(timed, 0)
    fence = claim(timed, "w").fence
    timed.ends.fail(job, fence, FailureKind.RESOURCE, "no room", delay_ms=10_000)
    move_clock(timed, 11)
    assert timed.leases.claim(("other.any.normal",), "w", ttl_ms=30_000) is None
    assert [bell.job for bell in timed.leases.reap().bells] == [job]


def test_the_first_so_many_jobs_of_a_queue_are_rung(timed: JobRecords) -> None:
    jobs = [submit(timed, take) for take in range(3)]
    rung = timed.leases.reap(limit=2, ring_after_ms=0).bells
    assert [bell.job for bell in rung] == jobs[:2]


def test_no_more_bells_ring_than_are_missing(timed: JobRecords) -> None:
    jobs = {submit(timed, take) for take in range(4)}
    timed.client.lpush(f"bells.{QUEUES[0]}", "a bell that waits")
    rung = timed.leases.reap(ring_after_ms=0, bell_lists="bells.").bells
    assert len(rung) == 3
    assert {bell.job for bell in rung} < jobs
    assert {bell.queue for bell in rung} == set(QUEUES)
    timed.client.lpush(f"bells.{QUEUES[0]}", *"bcd")
    assert timed.leases.reap(ring_after_ms=0, bell_lists="bells.").bells == ()
