"""``rushes workers``, ``stats`` and ``metrics``: numbers that agree with the records."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from farm.busy import make_busy, metric_values
from farm.commands import Farm
from farm.servers import free_port
from rushes_queue.broker.totals import add_chunk_seconds
from rushes_queue.jobs.states import State

RUSHES = (sys.executable, "-c", "from rushes_queue.cli import main; main()")


@pytest.fixture
def busy_farm(farm: Farm) -> Farm:
    return make_busy(farm)


def test_workers_are_listed_with_what_they_hold(busy_farm: Farm) -> None:
    job = next(record.id for record in busy_farm.store.list() if record.owner)
    result = busy_farm.run("workers")
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:3] == [r"cpu@x\x1b[31m", "idle", "cpu"]
    assert lines[2].split()[:6] == ["gpu0@desk", "busy", "NVIDIA", "X", job[:8], "tiny"]
    data = busy_farm.json("workers")
    assert [worker["status"] for worker in data["workers"]] == ["idle", "busy"]
    assert data["workers"][1]["holds"] == [job]


def test_without_workers_the_next_step_is_named(farm: Farm) -> None:
    result = farm.run("workers")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "rushes worker" in result.stderr
    assert farm.json("workers") == {"schema_version": 1, "workers": []}


def test_statistics_agree_with_the_records(busy_farm: Farm) -> None:
    num_frames = busy_farm.store.list()[0].num_frames
    data = busy_farm.json("stats")
    counts = {"queued": 2, "running": 1, "done": 2, "failed": 1}
    assert data["states"] == {str(state): counts.get(state, 0) for state in State}
    assert data["queues"] == {"tiny.any.normal": 1}
    assert data["num_aside"] == 1
    assert 0 <= data["oldest_waiting_seconds"] < 60
    assert data["workers"] == {"busy": 1, "idle": 1}
    assert (data["jobs_done"], data["frames_done"], data["fps"]) == (2, 2 * num_frames, 8.0)
    lines = busy_farm.run("stats").stdout.splitlines()
    assert "jobs            2 queued, 1 running, 2 done, 1 failed" in lines
    assert "queue           tiny.any.normal: 1" in lines


def test_an_empty_farm_has_statistics_too(farm: Farm) -> None:
    data = farm.json("stats")
    assert set(data["states"].values()) == {0}
    assert data["oldest_waiting_seconds"] is None
    assert "nothing waits" in farm.run("stats").stdout


def test_metrics_agree_with_the_records(busy_farm: Farm) -> None:
    record = busy_farm.store.list()[0]
    add_chunk_seconds(busy_farm.store.client, busy_farm.store.prefix, [0.2, 0.25, 3.0, 500.0])
    found = metric_values(busy_farm.run("metrics", "--once").stdout.encode())
    expected = {
        "rushes_up": 1,
        "rushes_jobs queued": 2,
        "rushes_jobs running": 1,
        "rushes_jobs done": 2,
        "rushes_jobs cancelled": 0,
        "rushes_queue_depth any tiny normal": 1,
        "rushes_jobs_aside": 1,
        "rushes_workers busy": 1,
        "rushes_workers unhealthy": 0,
        "rushes_frames_per_second": 8,
        "rushes_jobs_ended_total done": 2,
        "rushes_jobs_ended_total failed": 1,
        "rushes_attempts_ended_total finish": 2,
        "rushes_attempts_ended_total fail": 1,
        "rushes_losses_total": 0,
        "rushes_frames_rendered_total": 2 * record.num_frames + 13,
        "rushes_chunks_rendered_total": 2 * record.num_chunks + 3,
        "rushes_chunk_seconds_count": 4,
        "rushes_chunk_seconds_sum": 503.45,
        "rushes_chunk_seconds_bucket 0.1": 0,
        "rushes_chunk_seconds_bucket 0.25": 2,
        "rushes_chunk_seconds_bucket 5.0": 3,
        "rushes_chunk_seconds_bucket +Inf": 4,
    }
    assert {name: found.get(name) for name in expected} == pytest.approx(expected)


def test_the_command_serves_until_it_is_interrupted(busy_farm: Farm) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*RUSHES, "metrics", "--port", str(port)],
        env=os.environ | busy_farm.environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert f"http://127.0.0.1:{port}/metrics" in process.stderr.readline()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert metric_values(answer.read())["rushes_up"] == 1
    taken = busy_farm.run("metrics", "--port", port)
    assert taken.exit_code == 3
    assert f"--port {port}" in taken.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_broker_that_is_away_is_an_error_at_first(farm: Farm) -> None:
    for command in (["workers"], ["stats"], ["metrics", "--once"]):
        assert farm.run(*command, "--broker", "redis://127.0.0.1:1/0").exit_code == 5
