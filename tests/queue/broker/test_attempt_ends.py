"""Who is to blame for lost attempts: a job, a worker, or whoever pulled the plug."""

from __future__ import annotations

import pytest

from farm.documents import document
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.errors import WorkerRestsError
from rushes_queue.jobs.record import JobProgress, JobRecord
from rushes_queue.jobs.states import State

QUEUES = ("tiny.any.normal",)
CLOCK = "clock"


@pytest.fixture
def timed(store: JobRecords) -> JobRecords:
    """The store with a clock that the test sets."""
    store.client.set(CLOCK, 1_000_000)
    return JobRecords(store.client, clock_key=CLOCK)


def move_clock(store: JobRecords, seconds: float) -> None:
    store.client.incrby(CLOCK, round(seconds * 1000))


def submit(store: JobRecords, *takes: int) -> list[str]:
    made = [document(take) for take in takes]
    for each in made:
        store.submit(each, f"jobs/{each.id}/job.json")
    return [each.id for each in made]


def claim(store: JobRecords, worker: str) -> JobRecord:
    record = store.leases.claim(QUEUES, worker, ttl_ms=30_000)
    assert record is not None
    return record


def crash(store: JobRecords, worker: str) -> str:
    record = claim(store, worker)
    store.ends.lose(record.id, record.fence, "signal 11")
    return record.id


def finish(store: JobRecords, worker: str) -> str:
    record = claim(store, worker)
    store.ends.finish(record.id, record.fence, {})
    return record.id


def test_a_job_that_crashes_with_different_workers_is_quarantined(store: JobRecords) -> None:
    (job,) = submit(store, 0)
    for worker in ("a", "b", "a"):
        assert store.get(job).state is State.QUEUED
        crash(store, worker)
    record = store.get(job)
    assert record.state is State.QUARANTINED
    assert record.error is not None
    assert "lost 3 times at chunk 0, on a, b, a" in record.error.message
    submit(store, 1)
    assert claim(store, "a")  # the losses were not its fault


def test_one_worker_alone_cannot_blame_a_job(timed: JobRecords) -> None:
    (job,) = submit(timed, 0)
    for _ in range(6):
        move_clock(timed, 700)
        crash(timed, "a")
    assert timed.get(job).state is State.QUEUED


def test_one_worker_that_got_other_jobs_done_in_between_can(store: JobRecords) -> None:
    poison, *others = submit(store, 0, 1, 2)
    for other in others:
        assert crash(store, "a") == poison
        assert finish(store, "a") == other  # it comes first now
    assert crash(store, "a") == poison
    assert store.get(poison).state is State.QUARANTINED


def test_a_worker_that_loses_all_that_it_tries_rests_longer_and_longer(timed: JobRecords) -> None:
    submit(timed, *range(6))
    for _ in range(3):
        crash(timed, "sick")
    for seconds in (30, 60, 120, 240, 480, 600, 600):
        with pytest.raises(WorkerRestsError):
            claim(timed, "sick")
        assert finish_one_elsewhere(timed)
        move_clock(timed, seconds - 1)
        with pytest.raises(WorkerRestsError):
            claim(timed, "sick")
        move_clock(timed, 1)
        crash(timed, "sick")
    move_clock(timed, 600)
    finish(timed, "sick")
    submit(timed, *range(50, 55))
    for _ in range(2):
        crash(timed, "sick")  # its count begins anew
    assert claim(timed, "sick")


def finish_one_elsewhere(store: JobRecords) -> str:
    """Get one job done at a healthy worker, so that another one is in line."""
    store.submit(made := document(100 + store.now_ms() % 1000), f"jobs/{made.id}/job.json")
    return finish(store, "healthy")


def test_a_restarted_worker_at_the_same_place_is_the_same(store: JobRecords) -> None:
    submit(store, 0, 1, 2)
    for number in range(3):
        record = store.leases.claim(QUEUES, f"gpu0.{number}", ttl_ms=30_000, place="gpu0")
        assert record is not None
        store.ends.lose(record.id, record.fence, "signal 11")
    with pytest.raises(WorkerRestsError, match="gpu0 has lost too many jobs in a row"):
        store.leases.claim(QUEUES, "gpu0.9", ttl_ms=30_000, place="gpu0")
    assert store.leases.claim(QUEUES, "gpu1.9", ttl_ms=30_000, place="gpu1") is not None


def test_it_takes_twice_as_many_workers_that_are_gone_without_a_word(timed: JobRecords) -> None:
    (job,) = submit(timed, 0)
    for number in range(6):
        assert timed.get(job).state is State.QUEUED
        claim(timed, f"w{number}")
        move_clock(timed, 31)
        timed.leases.reap()
    assert timed.get(job).state is State.QUARANTINED
    assert {each.reason for each in timed.attempts(job)} == {"gone"}


def test_plugs_that_are_pulled_beside_a_sick_worker_are_no_crashes(timed: JobRecords) -> None:
    (job,) = submit(timed, 0)
    for _ in range(2):
        crash(timed, "sick")
    for number in range(5):
        claim(timed, f"w{number}")
        move_clock(timed, 31)
        timed.leases.reap()
    assert timed.get(job).state is State.QUEUED


def test_who_is_killed_from_outside_is_not_to_blame(store: JobRecords) -> None:
    (job,) = submit(store, 0)
    for number in range(20):
        assert store.get(job).state is State.QUEUED
        record = claim(store, "a")
        store.ends.lose(job, record.fence, "signal 9", is_from_outside=True)
        assert store.get(job).losses == number + 1
    record = store.get(job)
    assert (record.state, record.losses_in_place) == (State.FAILED, 0)
    assert record.error is not None
    assert record.error.kind == "infrastructure"


def test_a_job_that_gets_on_is_not_to_blame(store: JobRecords) -> None:
    (job,) = submit(store, 0)
    for chunk in range(1, 6):
        record = claim(store, f"w{chunk}")
        store.leases.renew(job, record.fence, 30_000, JobProgress(chunk, 4 * chunk))
        store.ends.lose(job, record.fence, "signal 11")
    assert store.get(job).state is State.QUEUED


def test_a_retry_forgets_the_losses(store: JobRecords) -> None:
    (job,) = submit(store, 0)
    for worker in ("a", "b", "c"):
        crash(store, worker)
    store.changes.retry(job)
    crash(store, "a")
    assert store.get(job).state is State.QUEUED
    assert store.get(job).losses_in_place == 1
