"""``rushes web`` from outside: its address, its modes, and what it refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from farm.commands import Farm
from farm.running import RUSHES
from farm.timelines import write_shot


@contextmanager
def rushes_web(folder: Path, *arguments: str, **variables: str) -> Iterator[dict[str, Any]]:
    """Run the command; yield what it prints first."""
    command = [*RUSHES, "web", "--port", "0", "--json", *arguments]
    environment = _environment(folder) | variables
    with (
        (folder / "stderr").open("w") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, env=environment, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) in (0, 130, -signal.SIGINT)


def _environment(folder: Path) -> dict[str, str]:
    import os

    return dict(os.environ) | {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "RUSHES_BROKER_URL": "",
    }


def _variables(farm: Farm) -> Mapping[str, str]:
    return {name: value for name, value in farm.environment.items() if name != "COLUMNS"}


def test_with_a_farm_it_shows_its_jobs(farm: Farm, tmp_path: Path) -> None:
    job = farm.submit()
    with rushes_web(tmp_path, **_variables(farm)) as said:
        assert said["mode"] == "farm"
        with httpx2.Client(follow_redirects=True) as browser:
            assert browser.get(said["address"]).status_code == 200
            origin = said["address"].partition("/?")[0]
            assert browser.get(f"{origin}/api/v1/jobs").json()["jobs"][0]["id"] == job


def test_without_a_farm_it_renders_alone(farm: Farm, tmp_path: Path) -> None:
    shot = write_shot(tmp_path / "shot.json", chunks=1)
    variables = {**_variables(farm), "RUSHES_MODELS_DIR": str(tmp_path / "no-weights")}
    with rushes_web(tmp_path, "--alone", **variables) as said:
        assert said["mode"] == "alone"
        origin, _, query = said["address"].partition("/?token=")
        headers = {"authorization": f"Bearer {query}"}
        with httpx2.Client(base_url=f"{origin}/api/v1", headers=headers, timeout=60) as browser:
            upload = browser.put("/uploads", params={"name": shot.name}, content=shot.read_bytes())
            body = {"upload": upload.json()["sha256"], "name": shot.name}
            assert browser.post("/submit", json=body).status_code == 200
    notes = (tmp_path / "stderr").read_text()
    assert "using preset pocket" in notes
    assert ".py:" not in notes


def test_what_cannot_be_served_is_refused(farm: Farm, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = farm.run("web", "--port", port)
    assert result.exit_code == 3
    assert f"--port {port}: cannot be listened on" in result.stderr
    result = farm.run("web", "--port", 0, "--password-file", tmp_path / "nothing")
    assert result.exit_code == 4


def test_users_that_anybody_could_name_are_refused(farm: Farm) -> None:
    result = farm.run("web", "--host", "0.0.0.0", "--port", 0, "--user-header", "X-Forwarded-User")
    assert result.exit_code == 3
    assert "name the proxy with --proxy" in " ".join(result.stderr.split())
