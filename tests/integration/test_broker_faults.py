"""A broker that dies, is away, is full, or repeats itself: no job is lost or rendered twice."""

from __future__ import annotations

import time

import pytest

from farm.long_form import lasting
from farm.proxy import CuttingProxy
from farm.running import RunningFarm, wait_until
from farm.timelines import write_shot
from rushes_queue.jobs.states import State


def test_a_broker_that_is_killed_while_a_job_is_rendered(running: RunningFarm) -> None:
    running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=80))
    running.wait_for_chunk(job, 3)
    time.sleep(1.2)  # the append-only file is a second behind
    running.server.kill()
    shot = write_shot(running.folder / "other.json", chunks=2, seed=2)
    result = running.run("submit", shot, "--preset", "tiny")
    assert result.exit_code == 5, result.output
    assert "0 of 1 jobs were queued" in result.stderr
    running.server.start()
    (other,) = running.submit(shot)
    records = running.wait([job, other])
    assert {record.state for record in records.values()} == {State.DONE}
    assert records[job].attempts == 1
    assert len(running.results()) == 6


def test_a_broker_that_is_killed_while_many_timelines_are_submitted(running: RunningFarm) -> None:
    """Whatever was said to be queued is; the same submission again queues the rest."""
    # So that a kill forgets nothing of what was answered, on whatever disk.
    running.store.client.config_set("appendfsync", "always")
    running.start_worker()
    shots = [
        write_shot(running.folder / f"{number:02}.json", chunks=1, seed=number)
        for number in range(24)
    ]
    said = running.submit_until(6, running.server.kill, *shots)
    assert 6 <= len(said) < len(shots)
    running.server.start()
    assert set(running.store.get_many(said)) == set(said)
    jobs = running.submit(*shots)
    assert len(set(jobs)) == len(shots)
    assert set(said) < set(jobs)
    records = running.wait(jobs)
    assert {record.id for record in running.store.list()} == set(jobs)
    assert {record.state for record in records.values()} == {State.DONE}
    assert len(running.results()) == 3 * len(jobs)


@pytest.mark.parametrize("how", ["silent", pytest.param("gone", marks=pytest.mark.long)])
def test_a_broker_that_is_away_for_longer_than_the_lease(running: RunningFarm, how: str) -> None:
    running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=120))
    running.wait_for_chunk(job, 2)
    leave, come_back = {
        "silent": (running.server.freeze, running.server.thaw),
        "gone": (running.server.kill, running.server.start),
    }[how]
    leave()
    time.sleep(lasting(8, 60))
    come_back()
    record = running.wait([job])[job]
    assert record.state is State.DONE
    assert len(running.results()) == 3


def test_commands_do_not_wait_long_for_a_broker_that_is_silent(running: RunningFarm) -> None:
    running.server.freeze()
    begin = time.monotonic()
    result = running.run("jobs")
    assert result.exit_code == 5
    assert len(result.stderr.splitlines()) == 1
    assert time.monotonic() - begin < 30


def test_connections_that_are_cut_in_the_middle_of_a_message(running: RunningFarm) -> None:
    with CuttingProxy(running.server.port) as proxy:
        running.start_worker("--broker", f"redis://127.0.0.1:{proxy.port}/0")
        shots = [
            write_shot(running.folder / f"{number}.json", chunks=40, seed=number)
            for number in range(4)
        ]
        jobs = running.submit(*shots)
        running.wait_for_chunk(jobs[0], 1)
        for num_bytes in (1, 50, 300, 1000, 5000):
            proxy.cut_after(num_bytes)
            time.sleep(1)
        proxy.cut()
        records = running.wait(jobs)
    assert {record.state for record in records.values()} == {State.DONE}
    assert len(running.results()) == 3 * len(jobs)


def test_a_broker_without_memory_refuses_new_jobs_and_keeps_the_old(running: RunningFarm) -> None:
    worker = running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=80))
    running.wait_for_chunk(job, 2)
    running.store.client.config_set("maxmemory", "1mb")
    shot = write_shot(running.folder / "other.json", chunks=2, seed=2)
    result = running.run("submit", shot, "--preset", "tiny")
    assert result.exit_code != 0
    assert "is full" in result.stderr
    assert running.wait([job])[job].state is State.DONE
    running.store.client.config_set("maxmemory", "0")
    (other,) = running.submit(shot)
    assert running.wait([other])[other].state is State.DONE
    assert worker.is_alive


def test_messages_that_come_again_while_the_job_is_rendered(running: RunningFarm) -> None:
    for _ in range(2):
        running.start_worker(RUSHES_VISIBILITY_SECONDS="1")
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=3000))
    begun = running.wait_for_chunk(job, 1).started_ms
    time.sleep(15)  # every ten kombu gives back what is not acknowledged
    record = running.store.get(job)
    assert record.state is State.RUNNING
    assert (record.attempts, record.started_ms) == (1, begun)
    assert running.run("cancel", job).exit_code == 0
    assert running.wait([job])[job].attempts == 1


def test_a_message_that_got_lost_is_rung_again(running: RunningFarm) -> None:
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=2))
    assert running.store.client.delete("rushes:bell:tiny.any.normal") == 1
    running.start_worker()
    wait_until(lambda: running.store.get(job).state is State.DONE, "the job")
