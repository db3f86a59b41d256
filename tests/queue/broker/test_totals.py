"""Sums of all that the farm has done."""

from __future__ import annotations

import pytest
from redis import Redis

from farm.commands import Farm
from rushes_queue.broker.totals import CHUNK_SECONDS_BUCKETS, add_chunk_seconds, read_totals
from rushes_queue.jobs.states import State

PREFIX = "rushes:"


def test_a_new_farm_has_done_nothing(redis_client: Redis) -> None:
    totals = read_totals(redis_client, PREFIX)
    assert (totals.jobs, totals.attempts) == ({}, {})
    assert (totals.num_chunks, totals.num_frames, totals.chunk_seconds_sum) == (0, 0, 0)
    assert totals.chunk_seconds == (0,) * (len(CHUNK_SECONDS_BUCKETS) + 1)


def test_every_time_has_its_bucket(farm: Farm) -> None:
    client, prefix = farm.store.client, farm.store.prefix
    add_chunk_seconds(client, prefix, [*CHUNK_SECONDS_BUCKETS, 0.0, 1e6])
    assert read_totals(client, prefix).chunk_seconds == (2, *[1] * 10, 1)


def test_chunks_add_up(redis_client: Redis) -> None:
    add_chunk_seconds(redis_client, PREFIX, [0.2, 0.2, 7.0])
    add_chunk_seconds(redis_client, PREFIX, [500.0])
    add_chunk_seconds(redis_client, PREFIX, [])
    add_chunk_seconds(redis_client, "other:", [1.0])
    totals = read_totals(redis_client, PREFIX)
    assert totals.chunk_seconds_sum == pytest.approx(507.4)
    assert (totals.chunk_seconds[2], totals.chunk_seconds[7], totals.chunk_seconds[-1]) == (2, 1, 1)
    assert sum(totals.chunk_seconds) == 4


def test_jobs_attempts_chunks_and_frames_are_counted(farm: Farm) -> None:
    farm.submit(0)
    lost = farm.claim()
    farm.progress(lost, 3)
    farm.store.ends.release(lost.id, lost.fence, "test")
    record = farm.claim()
    farm.publish(record)
    farm.store.changes.cancel(farm.submit(1))
    totals = read_totals(farm.store.client, farm.store.prefix)
    assert totals.jobs == {State.DONE: 1, State.CANCELLED: 1}
    assert totals.attempts == {"release": 1, "finish": 1}
    assert totals.num_chunks >= 3
    assert totals.num_frames >= 13


def test_frames_made_twice_are_counted_twice(farm: Farm) -> None:
    job = farm.submit()
    first = farm.claim()
    farm.progress(first, 5)
    farm.store.ends.lose(job, first.fence, "gone")
    second = farm.claim()
    farm.progress(second, 2)  # from its save point on
    farm.progress(second, 4)
    totals = read_totals(farm.store.client, farm.store.prefix)
    assert (totals.num_chunks, totals.num_frames) == (5 + 2, 21 + 8)
    assert totals.attempts == {"lose": 1}


def test_totals_outlive_the_jobs(farm: Farm) -> None:
    job = farm.done()
    farm.store.changes.forget(job)
    totals = read_totals(farm.store.client, farm.store.prefix)
    assert totals.jobs == {"done": 1}
    assert totals.num_frames > 0
