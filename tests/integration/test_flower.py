"""Flower, the monitor of Celery, works with our workers and shows their doorbells."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from farm.running import RUSHES, RunningFarm, wait_until
from farm.servers import free_port
from farm.timelines import write_shot

pytest.importorskip("flower", reason="Flower is not installed")


@contextmanager
def flower(farm: RunningFarm) -> Iterator[str]:
    """Start it; return the address of its API."""
    port = free_port()
    with (farm.folder / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [*RUSHES, "flower", f"--port={port}", "--inspect-timeout=2000"],
            env=farm.environment | {"FLOWER_UNAUTHENTICATED_API": "true"},
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        process.wait()


def ask(url: str) -> Any:
    """Return the answer; nothing while Flower is not up."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)
    except OSError:
        return {}


def test_flower_shows_workers_queues_and_doorbells(running: RunningFarm) -> None:
    name = f"celery@{running.start_worker().name}"
    with flower(running) as api:
        queues: list[str] = []

        def are_queues_shown() -> bool:
            """Ask all workers, which takes Flower as long as its time-out."""
            found = ask(f"{api}/workers?refresh=1").get(name, {})
            queues[:] = [queue["name"] for queue in found.get("active_queues", [])]
            return bool(queues)

        wait_until(are_queues_shown, (running.folder / "flower.log").read_text)
        assert queues == [f"tiny.any.{priority}" for priority in ("high", "normal", "low")]

        (job,) = running.submit(write_shot(running.folder / "shot.json"))
        running.wait([job])

        def find_doorbells() -> list[dict[str, Any]]:
            return [task for name, task in ask(f"{api}/tasks").items() if name.startswith(job)]

        wait_until(lambda: bool(find_doorbells()), "Flower to show the doorbell")
        assert find_doorbells()[0]["name"] == "rushes.render"
        assert find_doorbells()[0]["worker"] == name
