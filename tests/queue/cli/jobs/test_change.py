"""``rushes cancel``, ``pause``, ``resume``, ``retry`` and ``priority``."""

from __future__ import annotations

import pytest

from farm.commands import Farm
from rushes_queue.archive.job_files import read_state
from rushes_queue.jobs.record import FailureKind
from rushes_queue.jobs.states import State


def states(farm: Farm, *jobs: str) -> list[str]:
    return [str(farm.store.get(job).state) for job in jobs]


def test_a_job_is_cancelled_and_tried_again(farm: Farm) -> None:
    job = farm.submit()
    result = farm.run("cancel", job[:8])
    assert (result.exit_code, result.stdout) == (0, f"{job}  cancelled\n")
    assert read_state(farm.storage, job).state is State.CANCELLED
    assert farm.run("cancel", job).stdout == f"{job}  cancelled; there was nothing to do\n"
    assert farm.run("retry", job).stdout == f"{job}  queued\n"
    assert read_state(farm.storage, job).state is State.QUEUED


def test_a_job_is_paused_and_resumed(farm: Farm) -> None:
    job = farm.submit()
    assert farm.run("pause", job).stdout == f"{job}  paused\n"
    assert farm.run("resume", job).stdout == f"{job}  queued\n"
    assert states(farm, job) == ["queued"]


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_running_job_is_asked(farm: Farm, verb: str) -> None:
    job = farm.submit()
    farm.claim()
    assert f"asked to {verb}" in farm.run(verb, job).stdout
    assert farm.json("status", job)["jobs"][0][f"{verb}_requested"] is True
    assert read_state(farm.storage, job).state is State.RUNNING


def test_a_retry_from_the_start_forgets_save_points(farm: Farm) -> None:
    job = farm.submit()
    record = farm.claim()
    farm.progress(record, 5)
    farm.store.ends.fail(job, record.fence, FailureKind.BUG, "it broke")
    assert farm.run("retry", job, "--from-start").exit_code == 0
    found = farm.store.get(job)
    assert found.oldest_fence > record.fence
    assert found.chunk == 0


def test_a_retry_of_many_brings_chains_back(farm: Farm) -> None:
    first = farm.submit()
    second = farm.submit(1, after=(first,))
    farm.run("cancel", first)
    refused = farm.run("retry", second)
    assert refused.exit_code == 6
    assert f"rushes retry {first} brings both back" in refused.stderr
    result = farm.run("retry", "--all")
    assert result.exit_code == 0, result.output
    assert states(farm, first, second) == ["queued", "queued"]


def test_priorities_change(farm: Farm) -> None:
    jobs = [farm.submit(take) for take in range(2)]
    assert farm.run("priority", *jobs, "high").exit_code == 0
    assert {farm.store.get(job).priority for job in jobs} == {"high"}
    assert farm.run("priority", "--state", "queued", "low").exit_code == 0
    assert {farm.store.get(job).queue for job in jobs} == {"tiny.any.low"}
    assert farm.run("priority", jobs[0], "urgent").exit_code == 2


@pytest.mark.parametrize(
    "command",
    [["cancel"], ["pause"], ["resume"], ["retry"], ["priority", "high"]],
    ids=lambda command: command[0],
)
class TestEveryVerb:
    def test_refuses_an_unknown_job(self, farm: Farm, command: list[str]) -> None:
        result = farm.run(command[0], "0000", *command[1:])
        assert result.exit_code == 4
        assert result.stdout == ""

    def test_goes_on_after_an_unknown_job(self, farm: Farm, command: list[str]) -> None:
        job = farm.submit()
        if command[0] == "retry":
            farm.store.changes.cancel(job)
        result = farm.run(command[0], "0000", job, *command[1:])
        assert result.exit_code == 10
        assert result.stdout.startswith(job)

    def test_prints_one_json_object(self, farm: Farm, command: list[str]) -> None:
        job = farm.submit()
        if command[0] == "retry":
            farm.store.changes.cancel(job)
        data = farm.json(command[0], job, "0000", *command[1:])
        assert data["schema_version"] == 1
        assert [found["id"] for found in data["jobs"]] == [job]
        assert set(data["jobs"][0]) == {"id", "changed", "before", "after"}
        assert [error["exit_code"] for error in data["errors"]] == [4]

    def test_wants_to_know_which_jobs(self, farm: Farm, command: list[str]) -> None:
        assert farm.run(*command).exit_code == 2

    def test_a_broker_that_is_away_is_told(self, farm: Farm, command: list[str]) -> None:
        away = ("--broker", "redis://127.0.0.1:1/0")
        result = farm.run(command[0], "0000", *command[1:], *away)
        assert result.exit_code == 5


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_what_a_state_does_not_allow_is_a_conflict(farm: Farm, verb: str) -> None:
    job = farm.done()
    result = farm.run(verb, job)
    assert result.exit_code == 6
    assert "is done" in result.stderr
    assert states(farm, job) == ["done"]


def test_many_are_cancelled_only_when_somebody_agrees(farm: Farm) -> None:
    jobs = [farm.submit(take, tags=("night",)) for take in range(3)]
    result = farm.run("cancel", "--tag", "night")
    assert result.exit_code == 2
    assert "cancel 3 jobs?" in result.stderr
    assert "--yes" in result.stderr
    assert states(farm, *jobs) == ["queued"] * 3
    assert farm.run("cancel", "--tag", "night", "--yes").exit_code == 0
    assert states(farm, *jobs) == ["cancelled"] * 3


def test_a_choice_leaves_out_what_cannot_be_done(farm: Farm) -> None:
    done, queued = farm.done(0), farm.submit(1)
    data = farm.json("cancel", "--all")
    assert [job["id"] for job in data["jobs"]] == [queued]
    assert data["errors"] == []
    assert states(farm, done, queued) == ["done", "cancelled"]
    assert [job["id"] for job in farm.json("retry", "--all")["jobs"]] == [queued]


def test_a_choice_of_no_jobs_changes_none(farm: Farm) -> None:
    result = farm.run("cancel", "--state", "failed")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no such jobs" in result.stderr


def test_a_storage_that_is_away_stops_nobody(farm: Farm) -> None:
    jobs = [farm.submit(take) for take in range(2)]
    (farm.folder / "file").write_text("no folder")
    result = farm.run("cancel", *jobs, "--storage", farm.folder / "file" / "storage")
    assert result.exit_code == 0
    assert states(farm, *jobs) == ["cancelled"] * 2
