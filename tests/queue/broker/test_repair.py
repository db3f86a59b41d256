"""Keys of the broker that somebody else has written to, or removed: set aside, and put right."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from redis import Redis

from farm.documents import document
from rushes_queue.archive.job_files import document_key
from rushes_queue.broker.census import take_census
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.broker.totals import read_totals
from rushes_queue.broker.waiting import with_reasons
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State

QUEUE = "tiny.any.normal"
INDEXES = ("jobs", "ids", "finished", "running", "parked", "live_workers", "untold", "queues")
OTHERS = ("totals", "notices", "sequence", f"queued:{QUEUE}")

SHAPES: dict[str, Callable[[Redis, str], object]] = {
    "string": lambda client, key: client.set(key, "x"),
    "hash": lambda client, key: client.hset(key, "x", "y"),
    "list": lambda client, key: client.rpush(key, "x"),
    "stream": lambda client, key: client.xadd(key, {"x": "y"}),
}
WORKER = WorkerInfo(
    name="w", host="desk", pid=1, version="1", max_schema=2, started_ms=0, queues=(QUEUE,)
)


def submit(store: JobRecords, take: int) -> str:
    job = document(take)
    store.submit(job, document_key(job.id))
    return job.id


def claim(store: JobRecords) -> JobRecord | None:
    return store.leases.claim([QUEUE], "w", ttl_ms=60_000)


def work_through(store: JobRecords) -> list[str]:
    """Do all that a worker does until no job waits; return the jobs that got done."""
    done = []
    store.workers.heartbeat(WORKER, ttl_ms=60_000)
    while record := claim(store):
        store.leases.renew(record.id, record.fence, 60_000)
        assert store.ends.finish(record.id, record.fence, {}).is_change
        done.append(record.id)
    store.leases.reap()
    return done


def audit(store: JobRecords) -> None:
    for _ in range(3):
        store.repair_some()


@pytest.fixture
def jobs(store: JobRecords) -> list[str]:
    """Three jobs that wait, after one that is done and one that runs."""
    jobs = [submit(store, number) for number in range(5)]
    first = claim(store)
    assert first is not None
    store.ends.finish(first.id, first.fence, {})
    claim(store)
    store.workers.heartbeat(WORKER, ttl_ms=60_000)
    return jobs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*INDEXES, *OTHERS])
def test_a_key_of_another_type_stops_no_job(
    store: JobRecords, redis_client: Redis, jobs: list[str], name: str, shape: str
) -> None:
    key = f"rushes:{name}"
    redis_client.delete(key)
    SHAPES[shape](redis_client, key)
    assert sorted(work_through(store)) == sorted(jobs[2:])
    audit(store)
    assert {record.id for record in store.list()} == set(jobs)
    assert take_census(store).states[State.DONE] == 4
    assert store.find(jobs[0][:8]) == jobs[0]
    assert [worker.info.name for worker in store.workers.live()] == ["w"]
    assert submit(store, 9) in {record.id for record in store.list()}


@pytest.mark.parametrize("name", ["jobs", "ids", "running", "queues", f"queued:{QUEUE}"])
def test_a_list_that_was_removed_is_made_anew(
    store: JobRecords, redis_client: Redis, jobs: list[str], name: str
) -> None:
    before = redis_client.dump(f"rushes:{name}")
    redis_client.delete(f"rushes:{name}")
    audit(store)
    assert redis_client.dump(f"rushes:{name}") == before


def test_jobs_keep_their_order_when_their_queue_is_made_anew(
    store: JobRecords, redis_client: Redis, jobs: list[str]
) -> None:
    redis_client.delete(f"rushes:queued:{QUEUE}")
    audit(store)
    assert work_through(store) == jobs[2:]


BROKEN_FIELDS = (
    *(("schema", "x"), ("schema", ""), ("created_ms", "1e400"), ("created_ms", "9" * 20)),
    *(("queue", "nowhere"), ("seq", "nan"), ("attempts", "[]"), ("notes", "{"), ("tags", "5")),
    *(("fps", "nan"), ("state", "asleep"), ("num_chunks", "many"), ("result", '"s"')),
)


@pytest.mark.parametrize(("name", "text"), BROKEN_FIELDS, ids="=".join)
def test_a_record_with_a_field_that_cannot_be_read_is_set_aside(
    store: JobRecords, redis_client: Redis, jobs: list[str], name: str, text: str
) -> None:
    redis_client.hset(f"rushes:job:{jobs[2]}", name, text)
    assert work_through(store) == jobs[3:]
    audit(store)
    assert redis_client.hget(f"rushes:broken:{jobs[2]}", name) == text
    assert jobs[2] not in {record.id for record in store.list()}
    assert jobs[2] in store.events.notices()[0].fields["message"]


@pytest.mark.parametrize("name", ["state", "queue", "document", "seq", "created_ms"])
def test_a_record_that_lacks_a_field_is_set_aside(
    store: JobRecords, redis_client: Redis, jobs: list[str], name: str
) -> None:
    redis_client.hdel(f"rushes:job:{jobs[2]}", name)
    assert work_through(store) == jobs[3:]
    audit(store)
    assert redis_client.exists(f"rushes:broken:{jobs[2]}")


def test_a_record_of_a_newer_version_is_left_to_those_who_read_it(
    store: JobRecords, redis_client: Redis, jobs: list[str]
) -> None:
    key = f"rushes:job:{jobs[2]}"
    redis_client.hset(key, mapping={"schema": "99", "tags": "of another kind"})
    audit(store)
    assert redis_client.hget(key, "tags") == "of another kind"


def test_a_worker_that_says_nonsense_of_itself_hides_no_other(
    store: JobRecords, redis_client: Redis, jobs: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    store.workers.heartbeat(WORKER, ttl_ms=60_000)
    for name, info, beat in (("a", "x", "1"), ("b", "{}", "1"), ("c", WORKER.to_json(), "nan")):
        redis_client.zadd("rushes:live_workers", {name: 9e15})
        redis_client.hset(f"rushes:worker:{name}", mapping={"info": info, "beat_ms": beat})
    with caplog.at_level(logging.WARNING):
        assert [worker.info.name for worker in store.workers.live()] == ["w"]
        waiting = with_reasons(store, store.list(state=State.QUEUED))
    assert all(not record.notes for record in waiting)
    assert len(caplog.records) == 6


def test_totals_that_are_no_numbers_count_as_nothing(
    store: JobRecords, redis_client: Redis, jobs: list[str]
) -> None:
    redis_client.hset("rushes:totals", mapping={"chunks": "many", "jobs done": "inf"})
    assert read_totals(redis_client, store.prefix).num_chunks == 0
    assert sorted(work_through(store)) == sorted(jobs[2:])


def test_an_attempt_that_cannot_be_read_is_left_out(
    store: JobRecords, redis_client: Redis, jobs: list[str]
) -> None:
    for text in ("x", "[]", "null", '{"number": 1}'):
        redis_client.rpush(f"rushes:attempts:{jobs[0]}", text)
    assert [attempt.number for attempt in store.attempts(jobs[0])] == [1]


def test_what_others_keep_below_the_prefix_is_left_alone(
    store: JobRecords, redis_client: Redis, jobs: list[str]
) -> None:
    redis_client.set("rushes:something", "x")
    for queue in ("celery", QUEUE):
        redis_client.sadd(f"rushes:bell:_kombu.binding.{queue}", "x")
        redis_client.sadd(f"rushes:bell:_kombu.binding_permanent.{queue}", "x")
    redis_client.sadd("rushes:bell:_kombu.binding.celeryev", "x")
    redis_client.lpush(f"rushes:bell:{QUEUE}", "{}")
    redis_client.set("job:1", "x")
    audit(store)
    assert store.events.notices() == ()
