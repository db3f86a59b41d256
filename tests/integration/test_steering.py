"""What a user sees of jobs and does to them while a real worker renders."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from farm.running import PATIENCE_SECONDS, RunningFarm, wait_until
from farm.timelines import SIDE, write_shot
from rushes_queue.archive.job_files import read_state
from rushes_queue.broker.totals import read_totals
from rushes_queue.jobs.states import State


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web address, and what it was told."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def test_a_running_job_is_seen_steered_and_fetched(
    running: RunningFarm, told: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    worker = running.start_worker(RUSHES_NOTIFY=told[0])
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=300))
    running.wait_for_chunk(job, 2)
    assert read_state(running.storage, job).state is State.RUNNING

    listed = json.loads(running.run("workers", "--json").stdout)["workers"]
    assert [(each["name"], each["holds"]) for each in listed] == [(worker.name, [job])]
    result = running.run("preview", job, "-o", tmp_path)
    assert result.exit_code == 0, result.stderr
    picture = Image.open(io.BytesIO((tmp_path / f"{job}.jpg").read_bytes()))
    assert picture.size == (SIDE, SIDE)

    assert running.run("pause", job).exit_code == 0
    running.wait([job], frozenset({State.PAUSED}))
    assert running.run("resume", job).exit_code == 0
    watched = running.run("watch", job, "--timeout", PATIENCE_SECONDS)
    assert watched.exit_code == 0, watched.stderr

    result = running.run("fetch", job, "-o", tmp_path / "new")
    assert result.exit_code == 0, result.stderr
    assert len(list((tmp_path / "new").iterdir())) == 3
    logs = running.run("logs", job).stdout
    for word in ("claim", "paused", "resume", "save point before chunk", "rendered", "done"):
        assert word in logs
    attempts = json.loads(running.run("status", job, "--json").stdout)["jobs"][0]["attempt_list"]
    assert attempts[0]["first_chunk"] == 0
    # A chunk that is still being written is saved, but not reported yet.
    assert 0 < attempts[1]["first_chunk"] <= attempts[0]["last_chunk"] + 1
    assert attempts[1]["last_chunk"] == 300

    totals = read_totals(running.store.client, running.store.prefix)
    assert (totals.jobs, totals.attempts) == ({"done": 1}, {"settle": 1, "finish": 1})
    assert totals.num_chunks >= 39
    # Of each attempt all but the first, and that which was not reported.
    assert sum(totals.chunk_seconds) >= 37
    wait_until(lambda: bool(told[1]), "somebody to be told")
    assert [body["event"] for body in told[1]] == ["job.done"]


def test_a_worker_puts_back_the_record_that_the_broker_lost(running: RunningFarm) -> None:
    running.start_worker()
    job, waiting = running.submit(
        write_shot(running.folder / "a.json", chunks=300),
        write_shot(running.folder / "b.json", seed=2),
    )
    running.wait_for_chunk(job, 2)
    fence = running.store.get(job).fence
    running.store.client.flushall()
    wait_until(lambda: job in running.store.get_many([job]), "the worker to put its job back")
    result = running.run("reconcile", "--json")
    assert json.loads(result.stdout)["restored"] == {waiting: "queued"}
    records = running.wait([job, waiting])
    assert {record.state for record in records.values()} == {State.DONE}
    assert (records[job].fence, records[job].attempts) == (fence, 1)
    assert "restored it" in running.run("logs", job).stdout


def test_submitting_can_wait_for_the_end_but_not_for_ever(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json")
    result = running.run("submit", shot, "--preset", "tiny", "--watch", "--timeout", 0)
    assert result.exit_code == 8
    (job,) = result.stdout.split()
    assert running.store.get(job).state is State.QUEUED
    assert "the jobs go on" in result.stderr
