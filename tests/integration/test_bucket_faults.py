"""A store of objects that is slow, broken, closed or away for a while: what becomes of its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from farm.running import RunningFarm, running_farm, wait_until
from farm.s3_server import Behaviour, Proxy, bucket_settings, running_s3_server, s3_credentials
from farm.timelines import write_shot
from rushes_queue.jobs.states import State

CHUNKS = 120


@dataclass
class BadBucket:
    """A farm whose bucket does as it is told, on what is written or on what is read."""

    farm: RunningFarm
    proxy: Proxy
    how: dict[str, Behaviour]

    def behaves(self, behaviour: Behaviour, times: int = 2, *, on: str = "write") -> None:
        """Have it behave like that for so many requests; then it answers as it should."""
        wanted = self.proxy.count(behaviour) + times
        self.how[on] = behaviour
        wait_until(lambda: self.proxy.count(behaviour) >= wanted, f"{times} times {behaviour}")
        self.how[on] = "answer"


@contextmanager
def bad_bucket(cache: Path, **more: str) -> Iterator[BadBucket]:
    how: dict[str, Behaviour] = {"write": "answer", "read": "answer"}

    def behave(method: str, path: str, number: int) -> Behaviour:
        return how["read" if method in ("GET", "HEAD") else "write"]

    with s3_credentials():
        proxy = Proxy(running_s3_server(), behave)
    try:
        with (
            bucket_settings(proxy.endpoint) as settings,
            running_farm(settings | more, cache=cache) as farm,
        ):
            yield BadBucket(farm, proxy, how)
    finally:
        proxy.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bucket_that_fails_while_a_job_is_saved_costs_no_attempt(shared_cache: Path) -> None:
    """500, 503, late and cut answers are asked again; after 403 and 507 there is no save point."""
    with bad_bucket(shared_cache) as bucket:
        farm = bucket.farm
        worker = farm.start_worker()
        shot = write_shot(farm.folder / "shot.json", chunks=CHUNKS)
        (job,) = farm.submit(shot)
        farm.wait_for_chunk(job, 2)
        for behaviour in ("broken", "busy", "slow", "cut answer", "lose answer", "forbid", "full"):
            bucket.behaves(behaviour)
        record = farm.wait([job])[job]
        assert (record.state, record.attempts) == (State.DONE, 1), farm.describe([job])
        assert farm.video(record) == farm.render_here(shot)[1]
        assert len(farm.results()) == 3
        assert worker.is_alive
        log = farm.run("logs", job).stdout
        assert log.count("is not stored") >= 2, log


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bucket_that_forbids_to_publish_has_the_job_tried_again(shared_cache: Path) -> None:
    with bad_bucket(shared_cache, RUSHES_SAVE_POINT_CHUNKS="100000") as bucket:
        farm = bucket.farm
        shot = write_shot(farm.folder / "shot.json", chunks=6)
        (job,) = farm.submit(shot)
        bucket.how["write"] = "forbid"
        farm.start_worker()
        wait_until(
            lambda: farm.store.get(job).infrastructure_failures > 0, lambda: farm.describe([job])
        )
        assert farm.results() == []
        bucket.how["write"] = "answer"
        record = farm.wait([job])[job]
        assert record.state is State.DONE
        assert record.losses == 0
        assert farm.video(record) == farm.render_here(shot)[1]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_bucket_that_is_away_for_long(shared_cache: Path) -> None:
    with bad_bucket(shared_cache) as bucket:
        farm = bucket.farm
        farm.start_worker()
        shot = write_shot(farm.folder / "shot.json", chunks=CHUNKS)
        (job,) = farm.submit(shot)
        farm.wait_for_chunk(job, 2)
        for behaviour in ("broken", "cut answer", "slow"):
            bucket.behaves(behaviour, 20)
            bucket.behaves(behaviour, 5, on="read")
        bucket.proxy.vanish(30).join()
        record = farm.wait([job])[job]
        assert record.state is State.DONE, farm.describe([job])
        assert farm.video(record) == farm.render_here(shot)[1]
