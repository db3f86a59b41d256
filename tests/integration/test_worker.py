"""Real workers on a real broker: jobs are rendered, and survive what happens to workers."""

from __future__ import annotations

import base64
import json
import signal
import sys
import time
from typing import Any

import pytest
from celery import Celery

from farm.running import RunningFarm, wait_until
from farm.timelines import write_shot
from rushes_queue.doorbell.app import make_app
from rushes_queue.doorbell.bells import RENDER_TASK
from rushes_queue.jobs.states import State
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.storage.errors import MissingKeyError

PAUSED = frozenset({State.PAUSED})
QUEUED = frozenset({State.QUEUED})


@pytest.mark.anywhere
def test_a_job_makes_what_a_render_makes(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json")
    (job,) = running.submit(shot)
    running.work_once()
    record = running.store.get(job)
    frames, video = running.render_here(shot)
    assert record.state is State.DONE
    assert running.manifest(record)["frames_sha256"] == frames
    assert running.video(record) == video
    for _ in range(5):  # each looks at a page of the keys, those of kombu among them
        running.store.repair_some()
    assert running.store.events.notices() == ()


def test_submitting_twice_makes_one_job(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json")
    first, again = running.submit(shot), running.submit(shot)
    other = running.submit(shot, "--new")
    assert first == again
    assert other != first
    assert len(running.store.list()) == 2


def test_a_bad_file_among_many_queues_nothing(running: RunningFarm) -> None:
    good = write_shot(running.folder / "good.json")
    bad = running.folder / "bad.json"
    bad.write_text('{"prompts": [{"startTime": 1, "endTime": 0, "prompts": []}]}')
    result = running.run("submit", bad, good, "--preset", "tiny")
    assert result.exit_code == 3
    assert "prompts[0].endTime" in result.stderr
    assert "has no prompt text" in result.stderr
    assert running.store.list() == ()
    result = running.run("submit", bad, good, "--preset", "tiny", "--keep-going")
    assert result.exit_code == 10
    assert len(running.store.list()) == 1


@pytest.mark.anywhere
def test_a_killed_child_costs_the_chunks_since_the_save_point(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=80)
    worker = running.start_worker()
    (job,) = running.submit(shot)
    running.wait_for_chunk(job, 5)
    worker.kill_child()
    wait_until(lambda: running.store.get(job).losses == 1, lambda: running.describe([job]))
    (first, *_) = running.store.attempts(job)
    assert first.reason != "gone"  # the worker noticed, before any sweep
    record = running.wait([job])[job]
    frames, video = running.render_here(shot)
    assert (record.state, record.attempts, record.losses) == (State.DONE, 2, 1)
    assert running.manifest(record)["frames_sha256"] == frames
    assert running.video(record) == video
    assert running.manifest(record)["resumed_at_chunk"] > 0


def test_a_killed_worker_is_replaced_by_another(running: RunningFarm) -> None:
    worker = running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=80))
    running.wait_for_chunk(job, 5)
    worker.kill()
    running.start_worker()
    record = running.wait([job])[job]
    assert (record.state, record.attempts) == (State.DONE, 2)
    assert len(running.results()) == 3


def test_sigterm_hands_the_job_back_and_ends(running: RunningFarm) -> None:
    worker = running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=400))
    running.wait_for_chunk(job, 2)
    begin = time.monotonic()
    worker.terminate()
    assert worker.wait() == 0
    assert time.monotonic() - begin < 60
    record = running.store.get(job)
    assert (record.state, record.losses) == (State.QUEUED, 0)
    assert any("point" in entry.key for entry in running.storage.list(f"work/{job}"))


def test_sigterm_while_it_starts_ends_it_without_a_word(running: RunningFarm) -> None:
    worker = running.start_worker()
    running.wait_for_worker(worker)
    worker.terminate()
    assert worker.wait() == 0
    assert "shutdown" not in worker.log.read_text()


def test_a_second_sigterm_ends_at_once_and_hands_the_job_back(running: RunningFarm) -> None:
    worker = running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=400))
    running.wait_for_chunk(job, 2)
    worker.signal_child(signal.SIGSTOP)  # so that it cannot drain
    worker.terminate()
    # Two signals that arrive as one would be one.
    wait_until(lambda: running.store.workers.live()[0].info.status == "draining", "the drain")
    worker.terminate()
    assert worker.wait() == 1
    assert running.store.get(job).state is State.QUEUED
    assert running.store.get(job).losses == 0


def test_a_frozen_worker_that_wakes_publishes_nothing(running: RunningFarm) -> None:
    frozen = running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=80))
    running.wait_for_chunk(job, 3)
    frozen.signal_all(signal.SIGSTOP)
    running.start_worker()
    record = running.wait([job])[job]
    frozen.signal_all(signal.SIGCONT)
    wait_until(lambda: "lost its lease" in frozen.log.read_text(), "the frozen worker to notice")
    assert running.store.get(job) == record
    assert len(running.results()) == 3
    assert record.attempts == 2


def test_a_job_is_cancelled_and_paused_and_resumed(running: RunningFarm) -> None:
    running.start_worker()
    first, second = running.submit(
        write_shot(running.folder / "a.json", chunks=400),
        write_shot(running.folder / "b.json", chunks=200, seed=2),
    )
    running.wait_for_chunk(first, 2)
    assert running.run("cancel", first).exit_code == 0
    assert running.wait([first])[first].state is State.CANCELLED
    running.wait_for_chunk(second, 2)
    assert running.run("pause", second).exit_code == 0
    running.wait([second], PAUSED)
    assert running.run("resume", second).exit_code == 0
    record = running.wait([second])[second]
    assert record.state is State.DONE
    assert running.manifest(record)["resumed_at_chunk"] > 0
    wait_until(lambda: not list(running.storage.list(f"work/{second}")), "save points to go")


def test_a_job_waits_for_another(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=2)
    (first,) = running.submit(shot)
    (second,) = running.submit(shot, "--new", "--after", first, "--priority", "high")
    running.start_worker()
    records = running.wait([first, second])
    ended, started = records[first].finished_ms, records[second].started_ms
    assert ended is not None
    assert started is not None
    assert ended <= started


def test_a_worker_with_tags_takes_only_its_own(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=2)
    (other,) = running.submit(shot)
    (mine,) = running.submit(shot, "--new", "--tag", "night")
    running.work_once("--tags", "night")
    assert running.store.get(mine).state is State.DONE
    assert running.store.get(other).state is State.QUEUED


@pytest.mark.anywhere
@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"schema_version": 1}'], ids=["empty", "cut", "other"]
)
def test_a_damaged_document_is_quarantined_with_the_reason(
    running: RunningFarm, damage: bytes
) -> None:
    (job,) = running.submit(write_shot(running.folder / "shot.json"))
    running.storage.put_bytes(f"jobs/{job}/job.json", damage)
    running.work_once()
    record = running.store.get(job)
    assert record.state is State.QUARANTINED
    assert record.error is not None
    assert "document" in record.error.message


@pytest.mark.anywhere
def test_an_input_that_changed_in_the_storage_fails_the_job(running: RunningFarm) -> None:
    (job,) = running.submit(write_shot(running.folder / "shot.json", seed=77))
    (blob,) = running.storage.list("blobs")
    running.storage.put_bytes(blob.key, b"something else")
    running.work_once()
    record = running.store.get(job)
    assert record.state is State.FAILED
    assert record.error is not None
    assert "holds other content" in record.error.message


def test_a_damaged_save_point_falls_back_to_the_one_before(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=80)
    worker = running.start_worker()
    (job,) = running.submit(shot)
    running.wait_for_chunk(job, 8)
    worker.terminate()
    worker.wait()
    *_, before, last = running.storage.list(f"work/{job}/points")
    files = json.loads(running.storage.get_bytes(last.key))["files"]
    damaged = next(sha for name, sha in files.items() if name.endswith("state.safetensors"))
    running.storage.put_bytes(f"work/{job}/files/{damaged}", b"broken")
    running.start_worker()
    record = running.wait([job])[job]
    chunk_before = int(before.key.rpartition("/")[2].partition("-")[0])
    assert running.manifest(record)["resumed_at_chunk"] == chunk_before
    assert running.manifest(record)["frames_sha256"] == running.render_here(shot)[0]


def test_a_damaged_segment_costs_what_was_made_since(running: RunningFarm) -> None:
    """It is made again; then save points are of use as before."""
    shot = write_shot(running.folder / "shot.json", chunks=80)
    worker = running.start_worker()
    (job,) = running.submit(shot)
    wait_until(lambda: has_segments(running, job), "a save point with a segment")
    worker.kill()
    for point in running.storage.list(f"work/{job}/points"):
        files = json.loads(running.storage.get_bytes(point.key))["files"]
        running.storage.put_bytes(f"work/{job}/files/{files['segments/000000.mov']}", b"broken")
    for segment in (running.folder / "work").glob(".*/work/segments/*"):
        segment.write_bytes(b"broken")

    worker = running.start_worker()
    wait_until(lambda: running.store.get(job).attempts == 2, lambda: running.describe([job]))
    fence = running.store.get(job).fence
    wait_until(lambda: has_segments(running, job, fence), lambda: running.describe([job]))
    worker.kill_child()
    record = running.wait([job])[job]
    frames, video = running.render_here(shot)
    assert record.state is State.DONE
    assert running.store.attempts(job)[1].first_chunk == 0
    assert running.manifest(record)["frames_sha256"] == frames
    assert running.video(record) == video
    assert running.manifest(record)["resumed_at_chunk"] > 0


def test_a_segment_that_is_damaged_while_a_worker_renders_is_fetched_again(
    running: RunningFarm,
) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=80)
    running.start_worker()
    (job,) = running.submit(shot)
    wait_until(lambda: has_segments(running, job), "a save point with a segment")
    (segment,) = (running.folder / "work").glob(".*/work/segments/000000.mov")
    segment.write_bytes(b"broken")
    record = running.wait([job])[job]
    assert (record.state, record.attempts) == (State.DONE, 2), running.describe([job])
    assert running.video(record) == running.render_here(shot)[1]
    assert running.manifest(record)["resumed_at_chunk"] > 0


def has_segments(farm: RunningFarm, job: str, fence: int | None = None) -> bool:
    """Whether the save points are all of the attempt with this fence, if any, and have segments."""
    try:
        points = [
            (entry.key, farm.storage.get_bytes(entry.key))
            for entry in farm.storage.list(f"work/{job}/points")
        ]
    except MissingKeyError:  # it was replaced just now
        return False
    return bool(points) and all(
        (fence is None or key.endswith(f"-{fence}.json")) and b"segments/" in text
        for key, text in points
    )


def test_messages_that_are_none_are_noted_and_the_worker_goes_on(running: RunningFarm) -> None:
    queue = "rushes:bell:tiny.any.normal"
    for message in ("", "{", "[]", "17", '{"body": 1}', '{"body": "e30=", "properties": {}}'):
        running.store.client.lpush(queue, message)
    envelope = {
        "body": "bm9uc2Vuc2U=",
        "content-encoding": "utf-8",
        "content-type": "application/x-python-serialize",
        "headers": {"task": "os.system", "id": "1"},
        "properties": {
            "delivery_tag": "t",
            "delivery_info": {"exchange": "", "routing_key": "tiny.any.normal"},
            "body_encoding": "base64",
        },
    }
    running.store.client.lpush(queue, json.dumps(envelope))
    text = dict(envelope) | {
        "content-type": "application/json",
        "headers": {"task": "x", "id": "1"},
    }
    running.store.client.lpush(queue, json.dumps(text))
    # Celery could not take these apart.
    bodies: tuple[Any, ...] = ([], {}, 5, None, [[], {}], [{}, [], {}])
    for body in bodies:
        task = envelope | {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-type": "application/json",
            "headers": {"task": RENDER_TASK, "id": "1", "lang": "py", "root_id": "1"},
        }
        running.store.client.lpush(queue, json.dumps(task))
    worker = running.start_worker()
    wait_until(lambda: len(running.store.events.notices()) >= 14, "the notices")
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=2))
    assert running.wait([job])[job].state is State.DONE
    assert worker.is_alive


def hears_nothing(app: Celery) -> bool:
    """Ask the one worker for the queues that it listens to."""
    answers = app.control.inspect(timeout=2).active_queues()
    return bool(answers) and not any(answers.values())


def test_a_worker_that_hears_no_doorbell_starts_anew(running: RunningFarm) -> None:
    worker = running.start_worker()
    running.wait(running.submit(write_shot(running.folder / "shot.json", chunks=2)))
    app = make_app(load_settings({}, running.environment, running.folder))
    for queue in running.store.workers.live()[0].info.queues:  # as anybody may who has the broker
        app.control.cancel_consumer(queue)
    wait_until(lambda: hears_nothing(app), "the worker to hear nothing")
    (job,) = running.submit(write_shot(running.folder / "other.json", chunks=2, seed=2))
    assert running.wait([job])[job].state is State.DONE
    assert "its consumer is restarted" in worker.log.read_text()
    assert worker.is_alive


DEAF_TO_STOP = """
import rushes_queue.doorbell.serve, rushes_queue.worker.worker
rushes_queue.doorbell.serve.stop = lambda code=0: None
rushes_queue.worker.worker._SECONDS_TO_END = 0.1
from rushes_queue.cli import main
main()
"""


def test_a_worker_that_cannot_even_end_is_replaced_by_a_fresh_process(
    running: RunningFarm,
) -> None:
    """Its main thread hangs, as in a connection that never answers."""
    arguments = ("worker", "--gpu", "cpu", "--models", "tiny", "--name", "w0")
    worker = running.start_cold(sys.executable, "-c", DEAF_TO_STOP, *arguments)
    running.wait(running.submit(write_shot(running.folder / "shot.json", chunks=2)))
    app = make_app(load_settings({}, running.environment, running.folder))
    for queue in running.store.workers.live()[0].info.queues:
        app.control.cancel_consumer(queue)
    wait_until(lambda: hears_nothing(app), "the worker to hear nothing")
    (job,) = running.submit(write_shot(running.folder / "other.json", chunks=2, seed=2))
    assert running.wait([job])[job].state is State.DONE
    assert "a fresh process takes its place" in worker.log.read_text()


def test_a_job_that_kills_its_worker_is_quarantined_between_others(running: RunningFarm) -> None:
    poison, *others = running.submit(
        write_shot(running.folder / "poison.json", chunks=2),
        write_shot(running.folder / "other.json", chunks=2, seed=2),
        write_shot(running.folder / "third.json", chunks=2, seed=3),
    )
    worker = running.start_poisoned_worker()
    records = running.wait([poison, *others])
    assert {records[other].state for other in others} == {State.DONE}
    assert records[poison].state is State.QUARANTINED
    assert records[poison].attempts == 3
    error = records[poison].error
    assert error is not None
    assert "lost 3 times at chunk 0, on w0, w0, w0" in error.message
    assert worker.is_alive


@pytest.mark.parametrize(("hangs_in", "phase"), [("load", "load"), ("render", "first chunk")])
def test_a_job_that_hangs_is_given_up(running: RunningFarm, hangs_in: str, phase: str) -> None:
    short = {f"RUSHES_DEADLINES__{phase.replace(' ', '_').upper()}_SECONDS": "1"}
    (job,) = running.submit(write_shot(running.folder / f"{hangs_in}.json", chunks=2))
    for _ in range(2):
        running.start_poisoned_worker(variables=short)
    record = running.wait([job])[job]
    assert (record.state, record.attempts) == (State.QUARANTINED, 3)
    assert record.error is not None
    assert f"the phase '{phase}' hangs" in record.error.message


def test_a_job_that_kills_every_worker_is_quarantined(running: RunningFarm) -> None:
    (poison,) = running.submit(write_shot(running.folder / "poison.json", chunks=2))
    workers = [running.start_poisoned_worker() for _ in range(2)]
    record = running.wait([poison])[poison]
    assert (record.state, record.attempts) == (State.QUARANTINED, 3)
    assert all(worker.is_alive for worker in workers)


def test_a_sick_worker_rests_and_spoils_no_job(running: RunningFarm) -> None:
    shots = [write_shot(running.folder / f"{n}.json", chunks=2, seed=n) for n in range(8)]
    sick = running.start_poisoned_worker(of="every job")
    running.wait_for_worker(sick)
    jobs = running.submit(*shots)

    def rests() -> bool:
        return any(each.info.status == "unhealthy" for each in running.store.workers.live())

    wait_until(rests, lambda: running.describe(jobs))
    (worker,) = running.store.workers.live()
    assert "lost 3 jobs in a row; claims again in" in worker.info.note
    assert {record.state for record in running.store.get_many(jobs).values()} == {State.QUEUED}
    running.start_poisoned_worker()
    records = running.wait(jobs)
    assert {record.state for record in records.values()} == {State.DONE}
    assert sum(record.losses for record in records.values()) >= 3  # more after its rest
    sick.terminate()
    assert sick.wait() == 0  # while it rests


def test_a_child_that_is_killed_from_outside_is_not_the_fault_of_its_job(
    running: RunningFarm,
) -> None:
    worker = running.start_worker()
    (job,) = running.submit(write_shot(running.folder / "shot.json", chunks=80))
    for losses in range(1, 5):
        running.wait_for_chunk(job, 0)
        worker.kill_child()
        running.wait_for_losses(job, losses)
    record = running.wait([job])[job]
    assert (record.state, record.losses, record.losses_in_place) == (State.DONE, 4, 0)
    assert {each.reason for each in running.store.attempts(job)[:-1]} == {"ended from outside"}
