"""Cancel, retry and the like: what becomes of the jobs that wait for the one that changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farm.documents import document
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.errors import JobConflictError
from rushes_queue.jobs.record import FailureKind
from rushes_queue.jobs.states import State

QUEUES = ("tiny.any.normal",)


def submit(store: JobRecords, take: int, *after: str) -> str:
    made = document(take, after=after)
    store.submit(made, f"jobs/{made.id}/job.json")
    return made.id


def states(store: JobRecords, *jobs: str) -> list[str]:
    return [str(store.get(job).state) for job in jobs]


def let_fail(store: JobRecords, job: str) -> None:
    record = store.leases.claim(QUEUES, "w", ttl_ms=60_000)
    assert record is not None
    assert record.id == job
    store.ends.fail(job, record.fence, FailureKind.BUG, "it broke")


def let_quarantine(store: JobRecords, job: str) -> None:
    record = store.leases.claim(QUEUES, "w", ttl_ms=60_000)
    assert record is not None
    store.ends.quarantine(job, record.fence, FailureKind.DOCUMENT, "unreadable")


def cancel(store: JobRecords, job: str) -> None:
    store.changes.cancel(job)


ENDS = pytest.mark.parametrize(
    ("end", "word"),
    [(let_fail, "failed"), (cancel, "cancelled"), (let_quarantine, "quarantined")],
    ids=["failed", "cancelled", "quarantined"],
)
End = Callable[[JobRecords, str], None]


@ENDS
def test_a_chain_ends_with_its_cause_and_comes_back_with_it(
    store: JobRecords, end: End, word: str
) -> None:
    first = submit(store, 0)
    second = submit(store, 1, first)
    third = submit(store, 2, second)
    end(store, first)
    assert states(store, first, second, third) == [word, "failed", "failed"]
    error = store.get(second).error
    assert error is not None
    assert (error.kind, error.retryable) == ("cause", False)
    assert f"job {first}, which has to be done first, is {word}" in error.message
    assert set(store.leases.reap().unannounced) >= {second, third}  # no worker tells of their end

    store.changes.retry(first)
    assert states(store, first, second, third) == ["queued"] * 3
    assert store.get(second).error is None
    for job in (first, second, third):
        record = store.leases.claim(QUEUES, "w", ttl_ms=60_000)
        assert record is not None
        assert record.id == job
        store.ends.finish(job, record.fence, {})
    assert states(store, first, second, third) == ["done"] * 3


@ENDS
def test_a_job_that_comes_too_late_ends_at_once(store: JobRecords, end: End, word: str) -> None:
    first = submit(store, 0)
    end(store, first)
    made = document(1, after=(first,))
    assert store.submit(made, "jobs/x/job.json").after is State.FAILED
    store.changes.retry(first)
    assert states(store, made.id) == ["queued"]


def test_a_job_comes_back_when_all_that_it_waits_for_may_get_done(store: JobRecords) -> None:
    causes = [submit(store, take) for take in range(2)]
    last = submit(store, 2, *causes)
    for cause in causes:
        store.changes.cancel(cause)
    store.changes.retry(causes[0])
    assert states(store, last) == ["failed"]
    store.changes.retry(causes[1])
    assert states(store, last) == ["queued"]


def test_what_was_cancelled_by_hand_stays_so(store: JobRecords) -> None:
    first = submit(store, 0)
    second = submit(store, 1, first)
    store.changes.cancel(second)
    store.changes.cancel(first)
    store.changes.retry(first)
    assert states(store, second) == ["cancelled"]


def test_a_paused_job_ends_when_it_is_resumed(store: JobRecords) -> None:
    first = submit(store, 0)
    second = submit(store, 1, first)
    store.changes.pause(second)
    store.changes.cancel(first)
    assert states(store, second) == ["paused"]
    assert store.changes.resume(second).after is State.FAILED


def test_a_retry_names_the_job_to_retry(store: JobRecords) -> None:
    first = submit(store, 0)
    second = submit(store, 1, first)
    store.changes.cancel(first)
    with pytest.raises(JobConflictError, match=f"waits for job {first}, which is cancelled; rushe"):
        store.changes.retry(second)
    store.changes.forget(first)
    assert "unknown" in store.get(second).notes[f"waits_for {first}"]
    with pytest.raises(JobConflictError, match="which is unknown; submit it with --new"):
        store.changes.retry(second)
    assert states(store, second) == ["failed"]


def test_a_long_chain_ends_and_comes_back(store: JobRecords) -> None:
    jobs = [submit(store, 0)]
    for take in range(1, 600):
        jobs.append(submit(store, take, jobs[-1]))
    store.changes.cancel(jobs[0])
    assert set(states(store, *jobs[1:])) == {"failed"}
    store.changes.retry(jobs[0])
    assert set(states(store, *jobs)) == {"queued"}
