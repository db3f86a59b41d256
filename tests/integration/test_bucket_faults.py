"""A store of objects that is busy, full, closed or away for a while: a job waits and goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from farm.running import running_farm
from farm.s3_server import Behaviour, Proxy, bucket_settings, running_s3_server, s3_credentials
from farm.timelines import write_shot
from rushes_queue.jobs.states import State


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_bucket_that_refuses_writes_and_is_away(shared_cache: Path) -> None:
    now: Behaviour = "answer"

    def behave(method: str, path: str, number: int) -> Behaviour:
        return "answer" if method in ("GET", "HEAD") else now

    with s3_credentials():
        proxy = Proxy(running_s3_server(), behave)
    with (
        bucket_settings(proxy.endpoint) as settings,
        running_farm(settings, cache=shared_cache) as farm,
    ):
        worker = farm.start_worker()
        (job,) = farm.submit(write_shot(farm.folder / "shot.json", chunks=80))
        farm.wait_for_chunk(job, 2)
        for behaviour in ("busy", "full", "forbid", "cut answer"):
            now = behaviour
            time.sleep(30)
        now = "answer"
        proxy.vanish(30).join()
        record = farm.wait([job])[job]
        assert record.state is State.DONE, farm.describe([job])
        assert farm.video(record) == farm.render_here(farm.folder / "shot.json")[1]
        assert len(farm.results()) == 3
        assert worker.is_alive
        proxy.close()
