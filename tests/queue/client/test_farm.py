"""A farm for programs: it answers what the commands print."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import rushes
import rushes_queue
from farm.commands import Farm
from renders.shots import timeline, write_clip, write_timeline
from rushes_queue import to_json
from rushes_queue.jobs.record import FailureKind
from rushes_queue.storage.blobs import blob_key

VIDEO = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})


@pytest.fixture
def client(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[rushes_queue.Farm]:
    for name, value in farm.environment.items():
        monkeypatch.setenv(name, value)
    with rushes_queue.Farm() as client:
        yield client


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("torch", "av", "numpy", "pydantic", "redis", "celery", "typer")
    code = f"import rushes_queue, sys; print(*set({heavy}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr


def test_a_client_needs_neither_networks_nor_the_command_line() -> None:
    code = (
        "from rushes_queue import Farm; import sys; print(*{'torch', 'typer'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr


def test_public_names_are_sorted_and_all_there() -> None:
    assert rushes_queue.__all__ == sorted(rushes_queue.__all__)
    assert all(getattr(rushes_queue, name) is not None for name in rushes_queue.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rushes_queue.nothing  # noqa: B018


def test_a_broker_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with (
        rushes_queue.Farm("redis://127.0.0.1:1/0", str(tmp_path)) as nowhere,
        pytest.raises(rushes_queue.BrokerError),
    ):
        nowhere.jobs()


def test_the_same_submission_is_the_same_job_here_and_on_the_command_line(
    farm: Farm, client: rushes_queue.Farm
) -> None:
    write_clip(farm.folder / "clip.mp4")
    shot = write_timeline(farm.folder / "shot.json", VIDEO)
    (first,) = client.submit(shot, preset="tiny", tags=["cat"], priority="high")
    assert (first.is_new, first.state) == (True, "queued")
    assert farm.document(first.id).tags == ("cat",)
    printed = farm.json("submit", shot, "--preset", "tiny")["jobs"]
    (again,) = client.submit(str(shot), preset="tiny")
    assert printed == [to_json(again)]
    assert printed[0]["id"] == first.id
    assert not again.is_new
    (other,) = client.submit(shot, preset="tiny", new=True)
    assert other.id != first.id


def test_takes_are_those_of_the_command_line(farm: Farm, client: rushes_queue.Farm) -> None:
    shot = write_timeline(farm.folder / "shot.json", timeline())
    takes = client.submit(shot, preset="tiny", takes=2, codec="h265", noise_scale=None)
    printed = farm.json("submit", shot, "--preset", "tiny", "--takes", 2, "--codec", "h265")
    assert [job["id"] for job in printed["jobs"]] == [job.id for job in takes]
    assert [job.seed for job in client.submit(shot, preset="tiny", seeds=[7, 1, 7])] == [7, 1]


def test_a_document_in_memory_travels_with_what_it_names_in_the_current_folder(
    farm: Farm, client: rushes_queue.Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(farm.folder)
    clip = write_clip(farm.folder / "clip.mp4")
    (job,) = client.submit(VIDEO, preset="tiny")
    document = farm.document(job.id)
    assert document.input is not None
    assert document.input.sha256 == sha256(clip.read_bytes()).hexdigest()
    stored = farm.storage.get_bytes(blob_key(document.timeline.sha256))
    assert json.loads(stored) == VIDEO
    assert [path.name for path in farm.folder.iterdir()] == ["clip.mp4"]
    assert client.submit(VIDEO, preset="tiny") == [
        rushes_queue.Submitted(job.id, job.timeline, job.seed, job.take, job.state, False)
    ]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"takes": 2, "seeds": [1]}, "seeds: stands alone"),
        ({"seed": 2, "seeds": [1]}, "seeds: stands alone"),
        ({"seeds": []}, "nothing is asked for"),
        ({"takes": 0}, "nothing is asked for"),
        ({"device": "cuda"}, "device: "),
        ({"fps": "x"}, "fps is x"),
        ({"priority": "urgent"}, "--priority 'urgent': is not allowed; write high"),
        ({"tags": ["a\tb"]}, "--tag .*: is not allowed; write 1 to 64 characters on one line"),
    ],
    ids=str,
)
def test_what_cannot_be_a_job_is_refused_before_anything_is_stored(
    farm: Farm, client: rushes_queue.Farm, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(rushes.RushesError, match=message) as raised:
        client.submit(timeline(), preset="tiny", **how)
    assert raised.value.exit_code == 3
    with pytest.raises(rushes.TimelineError):
        client.submit({"prompts": []}, preset="tiny")
    assert not list(farm.storage.list(""))
    assert client.jobs() == []


def test_jobs_status_workers_and_stats_are_what_the_commands_print(
    farm: Farm, client: rushes_queue.Farm
) -> None:
    jobs = [farm.submit(take, tags=("cat",) if take else ()) for take in range(3)]
    farm.progress(farm.claim(), 3)
    assert [to_json(job) for job in client.jobs()] == farm.json("jobs")["jobs"]
    assert [job.id for job in client.jobs(tags=["cat"], states=["queued"], limit=1)] == [jobs[2]]
    assert client.jobs(name="no-*") == []
    assert client.jobs(since_ms=farm.store.now_ms() + 1000) == []
    assert to_json(client.status(jobs[0][:12])) == farm.json("status", jobs[0])["jobs"][0]
    assert [to_json(worker) for worker in client.workers()] == farm.json("workers")["workers"]
    printed, here = farm.json("stats"), {"schema_version": 1} | to_json(client.stats())
    assert here.pop("oldest_waiting_seconds") > 0
    assert printed.pop("oldest_waiting_seconds") > 0
    assert here == printed
    assert printed["states"]["running"] == 1


@pytest.mark.parametrize(
    ("prepare", "verb", "before", "after"),
    [
        ("submit", "cancel", "queued", "cancelled"),
        ("submit", "pause", "queued", "paused"),
        ("pause", "resume", "paused", "queued"),
        ("fail", "retry", "failed", "queued"),
    ],
)
def test_jobs_take_another_way_and_the_storage_knows_it(
    farm: Farm, client: rushes_queue.Farm, prepare: str, verb: str, before: str, after: str
) -> None:
    job = farm.submit()
    if prepare == "pause":
        client.pause(job)
    elif prepare == "fail":
        record = farm.claim()
        farm.store.ends.fail(job, record.fence, FailureKind.BUG, "it broke")
    act: Callable[[str], rushes_queue.Change] = getattr(client, verb)
    change = act(job[:12])
    assert to_json(change) == {"id": job, "changed": True, "before": before, "after": after}
    assert client.status(job).record.state == after
    assert json.loads(farm.storage.get_bytes(f"jobs/{job}/state.json"))["state"] == after
    if verb != "retry":
        assert to_json(act(job)) == farm.json(verb, job)["jobs"][0]


def test_what_cannot_happen_to_a_job_is_raised(farm: Farm, client: rushes_queue.Farm) -> None:
    job = farm.done()
    with pytest.raises(rushes_queue.JobConflictError):
        client.pause(job)
    with pytest.raises(rushes_queue.UnknownJobError):
        client.cancel("0000000000")
    with pytest.raises(rushes_queue.AmbiguousJobError):
        client.status("a")
    assert client.set_priority(farm.submit(1), "high").is_change


def test_watching_yields_each_change_until_all_jobs_have_ended(
    farm: Farm, client: rushes_queue.Farm
) -> None:
    first, second = farm.done(), farm.submit(1)
    seen = []
    for record in client.watch(first, second):
        seen.append((record.id, str(record.state)))
        if seen[-1] == (second, "queued"):
            running = farm.claim()
        elif seen[-1] == (second, "running"):
            farm.publish(running)
    assert seen == [(first, "done"), (second, "queued"), (second, "running"), (second, "done")]
    assert list(client.watch()) == []


def test_watching_ends_when_time_is_over_or_a_job_is_gone(
    farm: Farm, client: rushes_queue.Farm
) -> None:
    job = farm.submit()
    with pytest.raises(rushes_queue.JobTimeoutError, match="not ended after") as raised:
        list(client.watch(job, timeout_seconds=0))
    assert (raised.value.job, raised.value.exit_code) == (job, 8)
    with pytest.raises(rushes_queue.UnknownJobError):
        list(client.watch("0000000000"))


def test_logs_are_those_of_the_command_line(farm: Farm, client: rushes_queue.Farm) -> None:
    job = farm.done()
    lines = list(client.logs(job))
    printed = farm.run("logs", job, "--json").stdout.splitlines()
    assert [{"schema_version": 1} | to_json(line) for line in lines] == list(
        map(json.loads, printed)
    )
    assert list(client.logs(job, last=1)) == lines[-1:]
    assert list(client.logs(job, last=0)) == []
    assert list(client.logs(job, follow=True)) == lines
    assert list(client.logs(job, last=2, follow=True)) == lines[-2:]


def test_results_are_fetched_once(farm: Farm, client: rushes_queue.Farm, tmp_path: Path) -> None:
    job = farm.done()
    folder = tmp_path / "here"
    fetched = client.fetch(job[:12], folder)
    assert fetched.is_new
    assert fetched.output.read_bytes() == b"video of " + job.encode()
    assert farm.json("fetch", job, "-o", folder)["jobs"] == [to_json(client.fetch(job, folder))]
    fetched.output.write_bytes(b"mine")
    with pytest.raises(rushes.ConflictError):
        client.fetch(job, folder)
    assert client.fetch(job, folder, on_conflict="overwrite").is_new
    with pytest.raises(rushes_queue.JobConflictError):
        client.preview(job)


def test_only_answers_of_a_farm_become_json() -> None:
    with pytest.raises(TypeError, match="str is not an answer"):
        to_json("job")
