"""``rushes prune``: what is old and ended goes; whatever is needed stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from farm.commands import Farm
from rushes_queue.storage.blobs import blob_key
from rushes_queue.storage.errors import MissingKeyError

DAYS = 86_400


@pytest.fixture
def old_and_new(farm: Farm) -> dict[str, str]:
    """Jobs that ended 40 days ago, one that runs since then, and one that just ended."""
    jobs = {"old": farm.done(0), "running": farm.submit(1, priority="high")}
    farm.claim()
    jobs["cancelled"] = farm.submit(2)
    farm.store.changes.cancel(jobs["cancelled"])
    for name in ("old", "running", "cancelled"):
        farm.storage.put_bytes(f"work/{jobs[name]}/1.safetensors", b"save point")
    blob = farm.document(jobs["old"]).timeline
    farm.storage.put_bytes(blob_key(blob.sha256), b"still named by others")
    farm.storage.put_bytes(blob_key("0" * 64), b"named by nobody")
    make_older(farm, 40 * DAYS)
    jobs["new"] = farm.done(3)
    return jobs


def make_older(farm: Farm, seconds: float) -> None:
    """Let all that is there be so much older."""
    then = time.time() - seconds
    for path in Path(farm.environment["RUSHES_STORAGE_URL"]).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))
    client, prefix = farm.store.client, farm.store.prefix
    for record in farm.store.list():
        for name in ("created_ms", "updated_ms", "finished_ms"):
            if client.hexists(f"{prefix}job:{record.id}", name):
                client.hincrby(f"{prefix}job:{record.id}", name, -int(seconds * 1000))


def keys(farm: Farm) -> set[str]:
    return {entry.key for entry in farm.storage.list()}


def test_old_jobs_go_with_all_that_is_theirs(farm: Farm, old_and_new: dict[str, str]) -> None:
    result = farm.run("prune", "--older-than", "30d", "--yes")
    assert result.exit_code == 0
    assert "removed 2 jobs" in result.stderr
    assert {record.id for record in farm.store.list()} == {
        old_and_new["running"],
        old_and_new["new"],
    }
    left = keys(farm)
    assert not {key for key in left if old_and_new["old"] in key}
    assert not {key for key in left if old_and_new["cancelled"] in key}
    assert f"work/{old_and_new['running']}/1.safetensors" in left
    assert {key for key in left if key.startswith("results/") and old_and_new["new"] in key}
    assert blob_key("0" * 64) not in left
    assert blob_key(farm.document(old_and_new["new"]).timeline.sha256) in left


def test_a_dry_run_says_the_same_and_changes_nothing(
    farm: Farm, old_and_new: dict[str, str]
) -> None:
    before = keys(farm)
    planned = farm.json("prune", "--older-than", "30d", "--dry-run")
    assert keys(farm) == before
    assert len(farm.store.list()) == 4
    done = farm.json("prune", "--older-than", "30d", "--yes")
    assert planned.pop("dry_run") is True
    assert done.pop("dry_run") is False
    assert done == planned
    assert done["num_objects"] == len(before) - len(keys(farm))
    assert set(done["kinds"]) == {*("documents", "work", "results", "blobs", "checks", "leftovers")}


def test_nothing_goes_unless_somebody_agrees(farm: Farm, old_and_new: dict[str, str]) -> None:
    before = keys(farm)
    result = farm.run("prune", "--older-than", "30d")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert keys(farm) == before
    assert len(farm.store.list()) == 4


def test_what_went_does_not_come_back(farm: Farm, old_and_new: dict[str, str]) -> None:
    farm.run("prune", "--older-than", "30d", "--yes")
    assert farm.json("reconcile")["restored"] == {}
    with pytest.raises(MissingKeyError):
        farm.document(old_and_new["old"])


def test_nothing_old_needs_no_answer(farm: Farm) -> None:
    farm.done()
    result = farm.run("prune", "--older-than", "1h")
    assert result.exit_code == 0
    assert "removed 0 jobs" in result.stderr
    assert farm.run("prune", "--older-than", "soon").exit_code == 2
