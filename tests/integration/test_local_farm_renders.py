"""``rushes up``, ``submit`` and ``down`` as a user types them, with real workers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT
from farm.running import wait_until
from farm.servers import server_binary
from farm.timelines import write_shot
from rushes_queue.cli import app
from rushes_queue.local.farm_file import LocalFarm
from rushes_queue.local.process_guard import wait_until_free

# The supervisor is to outlive who starts it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

CHUNKS = 40


class User:
    """Somebody with a folder of their own, who configures no broker."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.farm = LocalFarm(folder / "state" / "farm")
        self.environment = {
            **{
                name: "" for name in os.environ if name.startswith("RUSHES_") or name == "REDIS_URL"
            },
            "RUSHES_STATE_DIR": str(folder / "state"),
            "RUSHES_STORAGE_URL": str(folder / "storage"),
            "RUSHES_WORK_DIR": str(folder / "work"),
            "RUSHES_CACHE_DIR": str(cache),
            "RUSHES_MODELS_DIR": str(folder / "models"),
            "RUSHES_LEASE_SECONDS": "3",
            "RUSHES_SAVE_POINT_CHUNKS": "2",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PYTHONPATH": os.pathsep.join((str(ROOT / "renderer"), str(ROOT / "queue"))),
        }

    def types(self, *arguments: object) -> Result:
        result = CliRunner().invoke(app, list(map(str, arguments)), env=self.environment)
        assert result.exit_code == 0, result.output + self.farm.worker(0).last_lines(20)
        return result

    def reads(self, *arguments: object) -> Any:
        return json.loads(self.types(*arguments, "--json").stdout)

    def wait_for(self, job: str, chunk: int) -> dict[str, Any]:
        """Wait until a job has come so far, or has ended."""
        found: dict[str, Any] = {}

        def is_there() -> bool:
            found.update(self.reads("status", job)["jobs"][0])
            is_far = found["state"] == "running" and found["chunk"] >= chunk
            return found["state"] in ("done", "failed") or is_far

        wait_until(is_there, lambda: f"{found} {self.farm.worker(0).last_lines(20)}")
        return found


@pytest.fixture
def user(tmp_path: Path, shared_cache: Path) -> Iterator[User]:
    server_binary()
    user = User(tmp_path, shared_cache)
    yield user
    for slot in (user.farm.supervisor, user.farm.server, *user.farm.workers()):
        slot.kill()


def test_a_job_outlives_the_farm_twice(user: User) -> None:
    """Once it is stopped in order, once killed as a whole; the frames are those of one render."""
    shot = write_shot(user.folder / "shot.json", chunks=CHUNKS)
    user.types("render", shot, "-o", user.folder / "here.mp4", "--preset", "tiny")
    here = json.loads((user.folder / "here.mp4.json").read_text())

    user.types("up", "--workers", 1)
    job = user.types("submit", shot, "--preset", "tiny").stdout.strip()
    user.wait_for(job, 3)
    assert user.reads("ps")["workers"][0]["jobs"] == [job]
    stopped = user.types("down")
    assert "1 jobs go on after rushes up" in stopped.stderr
    assert "killed" not in stopped.stderr
    assert not user.reads("ps")["running"]

    user.types("up")
    assert user.wait_for(job, 8)["losses"] == 0
    slots = [user.farm.supervisor, user.farm.server, *user.farm.workers()]
    for slot in slots:
        slot.kill()
    assert wait_until_free(slots, 30)

    user.types("up")
    record = user.wait_for(job, CHUNKS + 1)
    assert (record["state"], record["losses"]) == ("done", 1)
    user.types("fetch", job, "-o", user.folder / "fetched")
    (manifest,) = (user.folder / "fetched").rglob("*.mp4.json")
    assert json.loads(manifest.read_text())["frames_sha256"] == here["frames_sha256"]
    assert "the farm is down" in user.types("down", "--now").stderr
