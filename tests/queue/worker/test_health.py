"""The health files of workers: fresh, silent, and those of the dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rushes_queue.worker.health import read_health, remove_dead, write_health
from rushes_queue.worker.shared_status import Activity

BUSY = Activity("busy", "tiny", "a" * 16, 1, 3)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_health(tmp_path, "w0", "busy", BUSY)
    (health,) = read_health(tmp_path)
    assert (health.name, health.status, health.activity) == ("w0", "busy", BUSY)
    assert health.is_alive
    assert "chunk 3" in str(health)


def test_a_silent_worker_is_not_alive(tmp_path: Path) -> None:
    write_health(tmp_path, "w0", "idle", Activity())
    os.utime(tmp_path / "health" / "w0.json", (0, 0))
    assert not read_health(tmp_path)[0].is_alive


def test_files_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    write_health(tmp_path, "alive", "idle", Activity())
    write_health(tmp_path, "dead", "idle", Activity())
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    path = tmp_path / "health" / "dead.json"
    path.write_text(path.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {process.pid}'))
    remove_dead(tmp_path)
    assert [health.name for health in read_health(tmp_path)] == ["alive"]


def test_a_file_that_is_none_is_left_out(tmp_path: Path) -> None:
    write_health(tmp_path, "w0", "idle", Activity())
    (tmp_path / "health" / "w0.json").write_text("{")
    assert read_health(tmp_path) == ()
