"""Jobs without a farm: a real child process renders them, and their answers are a farm's."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rushes
from renders.shots import block, timeline
from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes_queue import to_json
from rushes_queue.errors import JobConflictError, UnknownJobError
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import FINISHED, State
from rushes_queue.web.alone.jobs import OwnJobs
from web.serving import serving

LONG = timeline(block("a boat", 0, 40))
SHORT = timeline(block("a boat", 0, 1))
PATIENCE_SECONDS = 120.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def folders(folder: Path) -> Folders:
    return Folders(folder / "models", folder / "cache", ())


@pytest.fixture(scope="module")
def own(folder: Path, folders: Folders) -> Iterator[OwnJobs]:
    """One backend, and so one child process, for all tests here."""
    jobs = OwnJobs(folder / "own", folders)
    yield jobs
    jobs.close()


def wait_for(own: OwnJobs, job: str, is_there: Callable[[JobRecord], bool]) -> JobRecord:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_there(record := own.status(job).record):
        assert time.monotonic() < deadline, record
        time.sleep(0.05)
    return record


def wait_for_state(own: OwnJobs, job: str, *states: State) -> JobRecord:
    record = wait_for(own, job, lambda record: record.state in states + tuple(FINISHED))
    assert record.state in states, record
    return record


def submit(own: OwnJobs, document: dict[str, object], seed: int = 42) -> str:
    (job,) = own.submit(document, preset="tiny", seeds=[seed])
    return job.id


def test_a_job_makes_what_a_render_makes(own: OwnJobs, folders: Folders, tmp_path: Path) -> None:
    job = submit(own, SHORT)
    wait_for_state(own, job, State.DONE)
    fetched = own.fetch(job, tmp_path / "fetched")
    here = rushes.render(SHORT, tmp_path / "here.mp4", preset="tiny", folders=folders, seed=42)
    manifest = json.loads(Path(f"{fetched.output}.json").read_text())
    assert manifest["frames_sha256"] == here["frames_sha256"]
    assert fetched.output.read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert submit(own, SHORT) == job  # the same is the same job
    assert to_json(own.status(job))["attempt_list"][0]["reason"] == "done"
    assert [line.event.fields["event"] for line in own.logs(job) if line.event.kind == "state"] == [
        *("submit", "claim", "finish")
    ]


def test_a_running_job_is_seen_paused_resumed_and_cancelled(own: OwnJobs) -> None:
    job, waiting = submit(own, LONG, 1), submit(own, LONG, 2)
    wait_for(own, job, lambda record: record.chunk > 0)
    assert own.preview(job).startswith(b"\xff\xd8")
    (worker,) = own.workers()
    assert (worker.info.status, worker.holds) == ("busy", (job,))
    assert own.stats().census.states[State.QUEUED] == 1
    own.cancel(waiting)
    own.pause(job)
    paused = wait_for_state(own, job, State.PAUSED)
    assert 0 < paused.chunk < paused.num_chunks
    own.resume(job)
    wait_for(own, job, lambda record: record.chunk > paused.chunk)
    said = [line.event.fields.get("message", "") for line in own.logs(job)]
    assert any(text.startswith("continues from the save point") for text in said)
    own.cancel(job)
    wait_for_state(own, job, State.CANCELLED)
    with pytest.raises(JobConflictError, match="is cancelled"):
        own.preview(job, timeout_seconds=0)


def test_a_child_that_is_killed_fails_its_job_and_another_starts(own: OwnJobs) -> None:
    job = submit(own, LONG, 3)
    wait_for(own, job, lambda record: record.chunk > 0)
    os.kill(own.workers()[0].info.pid, signal.SIGKILL)
    record = wait_for_state(own, job, State.FAILED)
    assert record.error is not None
    assert "has died" in record.error.message
    short = submit(own, SHORT, 4)
    wait_for_state(own, short, State.DONE)
    own.cancel(job)
    with pytest.raises(JobConflictError):
        own.cancel(short)


def test_what_waits_for_a_job_that_does_not_come_ends_with_it(own: OwnJobs) -> None:
    first = submit(own, LONG, 5)
    (after,) = own.submit(SHORT, preset="tiny", seeds=[6], after=[first])
    (urgent,) = own.submit(SHORT, preset="tiny", seeds=[7], priority="high", after=[first])
    own.cancel(first)
    assert wait_for_state(own, after.id, State.FAILED).error
    assert wait_for_state(own, urgent.id, State.FAILED).error


def test_urgent_jobs_come_first_and_priorities_change(own: OwnJobs) -> None:
    running, low, high = (submit(own, LONG, seed) for seed in (10, 11, 12))
    wait_for_state(own, running, State.RUNNING)
    own.set_priority(high, "high")
    own.cancel(running)
    wait_for_state(own, high, State.RUNNING)
    assert own.status(low).record.state is State.QUEUED
    own.cancel(low)
    own.cancel(high)
    wait_for_state(own, high, State.CANCELLED)
    assert own.retry(high, from_start=True).after is State.QUEUED
    own.cancel(high)


def test_what_only_a_farm_does_is_refused(own: OwnJobs) -> None:
    with pytest.raises(ConfigError, match="needs a farm"):
        own.submit(SHORT, preset="tiny", notify=["http://example.org"])
    with pytest.raises(UnknownJobError):
        own.status("0" * 16)


def test_jobs_outlive_the_server(tmp_path: Path, folders: Folders) -> None:
    before = OwnJobs(tmp_path, folders)
    job = submit(before, LONG, 20)
    wait_for(before, job, lambda record: record.chunk > 0)
    before.close()
    after = OwnJobs(tmp_path, folders)
    try:
        assert [record.id for record in after.jobs()] == [job]
        assert wait_for_state(after, job, State.RUNNING).attempts == 2
    finally:
        after.close()


def test_the_server_serves_it(own: OwnJobs, folders: Folders, tmp_path: Path) -> None:
    job = submit(own, SHORT)
    wait_for_state(own, job, State.DONE)

    class Kept:
        """The backend, which outlives this server."""

        def __getattr__(self, name: str) -> object:
            return (lambda: None) if name == "close" else getattr(own, name)

    with serving(Kept(), tmp_path, mode="alone", folders=folders) as web:  # type: ignore[arg-type]
        assert web.json("about")["mode"] == "alone"
        assert web.json("status", job=job)["jobs"][0]["state"] == "done"
        video = web.client.get(web.json(f"fetch/{job}")["jobs"][0]["output"])
        assert video.headers["content-type"] == "video/mp4"
        assert json.loads(web.get(f"timeline/{job}").text) == SHORT
