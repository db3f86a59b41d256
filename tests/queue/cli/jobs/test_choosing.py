"""Ids complete in the shell, soon or not at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from typer import BadParameter

from farm.commands import Farm
from rushes_queue.cli.jobs.choosing import code_of, complete_jobs, complete_tags, confirm

RUSHES = "import sys; sys.argv[0] = 'rushes'; from rushes_queue.cli import main; main()"


def complete(farm: Farm, incomplete: str, broker: str | None = None) -> list[tuple[str, str]]:
    context = SimpleNamespace(params={"broker": broker or farm.environment["RUSHES_BROKER_URL"]})
    return complete_jobs(context, incomplete)  # type: ignore[arg-type]


def test_ids_complete_with_their_names(farm: Farm) -> None:
    job = farm.submit()
    farm.submit(1)
    assert len(complete(farm, "")) == 2
    assert complete(farm, job[:5]) == [(job, "cat (queued)")]
    assert complete(farm, "zzz") == []


def test_tags_complete_once_each(farm: Farm) -> None:
    for take, tags in enumerate([("night", "cats"), ("night",), ("no;rm",)]):
        farm.submit(take, tags=tags)
    context = SimpleNamespace(params={"broker": farm.environment["RUSHES_BROKER_URL"]})
    assert complete_tags(context, "n") == ["night"]  # type: ignore[arg-type]
    assert complete_tags(context, "") == ["cats", "night"]  # type: ignore[arg-type]


def test_nothing_that_a_shell_evaluates_is_completed(farm: Farm) -> None:
    job = farm.submit()
    client, prefix = farm.store.client, farm.store.prefix
    client.hset(f"{prefix}job:{job}", "name", '\\$(touch x) `y` "z"')
    fields: dict[Any, Any] = client.hgetall(f"{prefix}job:{job}")
    client.hset(f"{prefix}job:$(touch x)", mapping=fields)
    client.zadd(f"{prefix}ids", {"$(touch x)": 0})
    assert complete(farm, "") == [(job, "???touch x? ?y? ?z? (queued)")]


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "nonsense", "silent"])
def test_a_broker_that_does_not_answer_completes_nothing(farm: Farm, broker: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if broker == "silent":
            broker = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        begin = time.monotonic()
        assert complete(farm, "a", broker) == []
        assert time.monotonic() - begin < 1


def test_the_shell_is_answered_even_so(farm: Farm) -> None:
    """As bash asks; the answer must not wait for the broker at the end of the process."""
    job = farm.submit()
    words = {"COMP_WORDS": f"rushes status {job[:6]}", "COMP_CWORD": "2"}
    shell = words | {"_RUSHES_COMPLETE": "complete_bash", "PYTHONPATH": os.pathsep.join(sys.path)}
    for variables, expected in (
        ({}, job),
        ({"RUSHES_BROKER_URL": "redis://127.0.0.1:1/0"}, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-c", RUSHES],
            env=os.environ | farm.environment | shell | variables,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize(
    ("num_done", "codes", "code"),
    [(1, [], 0), (0, [], 0), (1, [4], 10), (0, [4], 4), (0, [6, 4], 6)],
)
def test_one_exit_code_stands_for_many_jobs(num_done: int, codes: list[int], code: int) -> None:
    assert code_of(num_done, codes) == code


def test_without_a_person_only_yes_counts() -> None:
    confirm("remove all?", is_agreed=True)
    with pytest.raises(BadParameter, match="--yes"):
        confirm("remove all?", is_agreed=False)
