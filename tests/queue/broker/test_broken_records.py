"""What stands where a record should be and was not written by us harms no other job."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redis import Redis

from farm.documents import document
from rushes_queue.archive.job_files import document_key
from rushes_queue.broker.census import take_census
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import RenewAnswer
from rushes_queue.errors import UnknownJobError
from rushes_queue.jobs.states import State

QUEUE = "tiny.any.normal"


def submit(store: JobRecords, take: int) -> str:
    job = document(take)
    store.submit(job, document_key(job.id))
    return job.id


def spoil(client: Redis, job: str) -> None:
    client.set(f"rushes:job:{job}", "x")


def claim(store: JobRecords) -> str | None:
    record = store.leases.claim([QUEUE], "worker", ttl_ms=1000)
    return record.id if record else None


def sweep(store: JobRecords) -> None:
    store.leases.reap(max_losses=3, ring_after_ms=0)


@pytest.fixture
def jobs(store: JobRecords, redis_client: Redis) -> tuple[str, str]:
    """A job whose record is broken, and a whole one behind it."""
    broken, whole = submit(store, 0), submit(store, 1)
    spoil(redis_client, broken)
    return broken, whole


@pytest.mark.parametrize("meet", [claim, sweep])
def test_a_broken_record_is_set_aside_with_a_notice(
    store: JobRecords,
    redis_client: Redis,
    jobs: tuple[str, str],
    meet: Callable[[JobRecords], None],
) -> None:
    broken, _ = jobs
    meet(store)
    assert redis_client.get(f"rushes:broken:{broken}") == "x"
    assert not redis_client.exists(f"rushes:job:{broken}")
    (notice,) = store.events.notices()
    assert broken in notice.fields["message"]


def test_the_other_jobs_of_the_queue_are_claimed(store: JobRecords, jobs: tuple[str, str]) -> None:
    assert claim(store) == jobs[1]
    assert claim(store) is None


def test_a_running_job_whose_record_breaks_is_given_up(
    store: JobRecords, redis_client: Redis
) -> None:
    job = submit(store, 0)
    record = store.leases.claim([QUEUE], "worker", ttl_ms=1)
    assert record is not None
    spoil(redis_client, job)
    assert store.leases.renew(job, record.fence, 1) is RenewAnswer.UNKNOWN
    time.sleep(0.01)  # the lease ends after 1 ms
    sweep(store)
    assert not redis_client.exists(f"rushes:job:{job}")


def test_readers_leave_a_broken_record_out(store: JobRecords, jobs: tuple[str, str]) -> None:
    broken, whole = jobs
    assert [record.id for record in store.list()] == [whole]
    assert take_census(store).states[State.QUEUED] == 1
    assert store.workers.live() == ()
    with pytest.raises(UnknownJobError):
        store.get(broken)
    with pytest.raises(UnknownJobError):
        store.changes.cancel(broken)


def test_the_attempt_that_runs_puts_its_record_back(store: JobRecords, redis_client: Redis) -> None:
    job = submit(store, 0)
    record = store.leases.claim([QUEUE], "worker", ttl_ms=60_000)
    assert record is not None
    spoil(redis_client, job)
    assert store.adopt(record).is_change
    assert store.get(job).state is State.RUNNING
    assert redis_client.get(f"rushes:broken:{job}") == "x"


def test_the_same_submission_again_puts_the_record_back(
    store: JobRecords, jobs: tuple[str, str]
) -> None:
    assert submit(store, 0) == jobs[0]
    assert store.get(jobs[0]).state is State.QUEUED
