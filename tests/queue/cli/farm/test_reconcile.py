"""``rushes reconcile``: what was restored, in words, as JSON and as an exit code."""

from __future__ import annotations

import pytest

from farm.commands import Farm


@pytest.fixture
def lost(farm: Farm) -> dict[str, str]:
    """A job that is done and one that waits, both unknown to the broker, and one that it has."""
    jobs = {"done": farm.done(0), "queued": farm.submit(1)}
    farm.store.client.flushall()
    jobs["kept"] = farm.submit(2)
    return jobs


def test_lost_jobs_are_put_back_and_counted(farm: Farm, lost: dict[str, str]) -> None:
    result = farm.run("reconcile")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["1 jobs are there; 2 restored", "1 queued, 1 done"]
    assert {record.id for record in farm.store.list()} == set(lost.values())


def test_a_dry_run_says_what_would_be_put_back(farm: Farm, lost: dict[str, str]) -> None:
    result = farm.run("reconcile", "--dry-run")
    assert "2 would be restored" in result.stdout
    assert [record.id for record in farm.store.list()] == [lost["kept"]]


def test_scripts_get_the_jobs_with_their_states(farm: Farm, lost: dict[str, str]) -> None:
    assert farm.json("reconcile") == {
        "schema_version": 1,
        "dry_run": False,
        "num_kept": 1,
        "restored": {lost["done"]: "done", lost["queued"]: "queued"},
        "errors": [],
    }


def test_what_could_not_be_put_back_is_told(farm: Farm, lost: dict[str, str]) -> None:
    for name in ("job", "state"):
        farm.storage.put_bytes(f"jobs/{lost['queued']}/{name}.json", b"\x1b[2J")
    result = farm.run("reconcile")
    assert result.exit_code == 10
    assert f"error: job {lost['queued']}: " in result.stderr
    assert "\x1b" not in result.output
    assert "1 restored" in result.stdout
    (error,) = farm.json("reconcile")["errors"]
    assert error["id"] == lost["queued"]


def test_nothing_lost_is_nothing_to_say(farm: Farm) -> None:
    result = farm.run("reconcile")
    assert (result.exit_code, result.stdout) == (0, "0 jobs are there; 0 restored\n")
