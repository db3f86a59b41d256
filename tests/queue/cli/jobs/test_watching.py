"""Jobs followed until all of them have ended, whatever becomes of them and of the broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from farm.commands import Farm
from farm.servers import RunningServer
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.cli.jobs.watching import exit_code_of, watch_jobs
from rushes_queue.jobs.states import State


def during(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 0),
        ([State.DONE], 0),
        ([State.DONE, State.FAILED], 1),
        ([State.QUARANTINED, State.CANCELLED], 1),
        ([State.CANCELLED], 7),
        ([State.DONE, State.CANCELLED], 10),
    ],
    ids=str,
)
def test_the_ends_of_jobs_make_an_exit_code(states: list[State], code: int) -> None:
    assert exit_code_of(set(states)) == code


def test_jobs_that_ended_long_ago_are_not_waited_for(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [farm.done(0), farm.done(1)]
    assert watch_jobs(farm.store, jobs, as_json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["job", "job", "end"]


def test_time_runs_out_while_a_job_waits(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [farm.submit(take) for take in range(7)]
    assert watch_jobs(farm.store, jobs, timeout_seconds=0.1) == 8
    error = capsys.readouterr().err
    assert "not ended after 0.1 s; the jobs go on: " in error
    assert f"{jobs[4][:8]} and 2 more" in error


def test_a_record_that_comes_back_in_time_is_watched_on(farm: Farm) -> None:
    job = farm.submit()
    key = f"{farm.store.prefix}job:{job}"
    fields: dict[Any, Any] = farm.store.client.hgetall(key)

    def lose_and_restore() -> None:
        time.sleep(0.3)
        farm.store.client.delete(key)
        time.sleep(0.6)
        farm.store.client.hset(key, mapping=fields)
        farm.publish(farm.claim())

    thread = during(lose_and_restore)
    assert watch_jobs(farm.store, [job], timeout_seconds=30, gone_seconds=20) == 0
    thread.join()


def test_a_record_that_goes_away_for_good_is_told(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    job = farm.submit()

    def lose() -> None:
        time.sleep(0.3)
        farm.store.client.flushall()

    thread = during(lose)
    assert watch_jobs(farm.store, [job], gone_seconds=0.5) == 4
    thread.join()
    assert "reconcile" in capsys.readouterr().err


def test_a_broker_that_goes_away_is_waited_for(
    own_server: RunningServer, farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    with own_server.client() as client:
        store = JobRecords(client)
        own = Farm(store, farm.storage, farm.environment, farm.folder)
        job = own.submit()

        def trouble() -> None:
            time.sleep(0.6)
            own_server.stop()
            time.sleep(1.0)
            own_server.start()
            with own_server.client() as other:
                Farm(JobRecords(other), farm.storage, {}, farm.folder).publish(
                    Farm(JobRecords(other), farm.storage, {}, farm.folder).claim()
                )

        thread = during(trouble)
        assert watch_jobs(store, [job], timeout_seconds=20) == 0
        thread.join()
    error = capsys.readouterr().err
    assert error.index("the broker is away") < error.index("the broker is back")
