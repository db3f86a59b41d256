"""``rushes watch``: it ends when the jobs do, and its exit code says how."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Literal

import pytest

from checkout import ROOT
from farm.commands import Farm
from rushes_queue.jobs.record import FailureKind

RUSHES = [sys.executable, "-c", "from rushes_queue.cli import main; main()"]

End = Literal["done", "failed", "cancelled"]


def end(farm: Farm, ends: End) -> None:
    record = farm.claim()
    if ends == "done":
        farm.publish(record)
    elif ends == "failed":
        farm.store.ends.fail(record.id, record.fence, FailureKind.BUG, "it broke")
    else:
        farm.store.changes.cancel(record.id)
        farm.store.ends.settle(record.id, record.fence, "cancelled")


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (["done", "done"], 0),
        (["failed"], 1),
        (["done", "failed"], 1),
        (["cancelled", "failed"], 1),
        (["cancelled", "cancelled"], 7),
        (["done", "cancelled"], 10),
    ],
    ids=str,
)
def test_the_exit_code_says_how_the_jobs_ended(farm: Farm, ends: list[End], code: int) -> None:
    jobs = [farm.submit(take) for take in range(len(ends))]
    for each in ends:
        end(farm, each)
    assert farm.run("watch", *jobs).exit_code == code
    lines = [json.loads(line) for line in farm.run("watch", *jobs, "--json").stdout.splitlines()]
    assert sorted(line["state"] for line in lines[:-1]) == sorted(ends)
    assert lines[-1] == {"schema_version": 1, "kind": "end", "exit_code": code}


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_a_job_whose_cause_does_not_get_done_is_not_waited_for(
    farm: Farm, how: Literal["failed", "cancelled"]
) -> None:
    first = farm.submit()
    second = farm.submit(1, after=(first,))
    third = farm.submit(2, after=(second,))
    end(farm, how)
    result = farm.run("watch", third, "--timeout", 5)
    assert result.exit_code == 1
    late = farm.submit(3, after=(third,))
    assert farm.run("watch", late, "--timeout", 5).exit_code == 1
    assert f"cause: job {first}, which has to be done first" in farm.run("status", second).stdout


def during(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_watching_follows_a_job_to_its_end(farm: Farm) -> None:
    job = farm.submit()

    def work() -> None:
        record = farm.claim()
        for chunk in (1, 6):
            farm.progress(record, chunk)
            time.sleep(0.7)
        farm.publish(record)

    thread = during(work)
    result = farm.run("watch", job[:8])
    thread.join()
    assert result.exit_code == 0
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert any("running, chunk 1/" in line and "on w@host" in line for line in lines)
    assert lines[-1].endswith(": done")
    assert len(lines) <= 5


def test_without_ids_the_jobs_that_have_not_ended_are_watched(farm: Farm) -> None:
    farm.done(0)
    assert "nothing to watch" in farm.run("watch").stderr
    farm.submit(1)
    assert farm.run("watch", "--timeout", 0).exit_code == 8


def test_waiting_ends_in_time_and_leaves_the_job_alone(farm: Farm) -> None:
    job = farm.submit()
    start = time.monotonic()
    result = farm.run("watch", job, "--timeout", "0.5")
    assert result.exit_code == 8
    assert 0.5 <= time.monotonic() - start < 3
    assert "the jobs go on" in result.stderr
    assert farm.store.get(job).state == "queued"


def test_an_unknown_job_is_not_waited_for(farm: Farm) -> None:
    assert farm.run("watch", farm.submit(), "0000").exit_code == 4


def test_a_broker_that_was_never_there_is_an_error(farm: Farm) -> None:
    assert farm.run("watch", "0000", "--broker", "redis://127.0.0.1:1/0").exit_code == 5


def environment(farm: Farm) -> dict[str, str]:
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    return os.environ | farm.environment | {"PYTHONPATH": sources}


def test_ctrl_c_detaches_and_leaves_the_jobs_alone(farm: Farm) -> None:
    job = farm.submit()
    process = subprocess.Popen(
        [*RUSHES, "watch", job], env=environment(farm), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert "queued" in first
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"the jobs go on: rushes watch {job[:8]}" in rest
    assert "Traceback" not in rest
    assert farm.store.get(job).state == "queued"


def test_a_terminal_gets_a_table_that_stays(farm: Farm) -> None:
    """On a real terminal of its own, since nothing else shows what rich does there."""
    job = farm.submit()
    farm.progress(farm.claim(worker="gpu0@host"), 3, prompt="a cat \x1b[31m")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*RUSHES, "watch", job, "--timeout", "0.5"],
        env=environment(farm) | {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "20"},
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # what Linux says when the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=20) == 8
    text = shown.decode()
    for expected in (job[:8], "running", "3/", "8.0", "gpu0@host", "1 running; 1 worker"):
        assert expected in text
    assert r"a cat \x1b[31m" in text
