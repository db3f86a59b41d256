"""What a watcher sees of jobs, again and again."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from farm.commands import Farm
from farm.documents import document
from rushes_queue.cli.jobs.watch_view import (
    JsonLines,
    PlainLines,
    describe,
    make_table,
    summary,
)
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import FailureKind, JobFailure, JobRecord
from rushes_queue.jobs.states import State

QUEUED = replace(new_record(document(), "jobs/x/job.json"), num_chunks=100)
RUNNING = replace(QUEUED, state=State.RUNNING, owner="w0", fps=8.0, chunk=3, prompt="a cat")


# --- for scripts ---------------------------------------------------------------------------------


def test_a_script_gets_a_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    view = JsonLines()
    for record in (QUEUED, QUEUED, RUNNING, replace(RUNNING, fps=9.0), replace(RUNNING, chunk=4)):
        view.show([record], is_there=True)
    view.end(7)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["job", "job", "job", "end"]
    assert [line.get("chunk") for line in lines[:-1]] == [0, 3, 4]
    assert lines[-1]["exit_code"] == 7


@pytest.mark.parametrize("change", [{"cancel": True}, {"pause": True}, {"attempts": 2}], ids=str)
def test_a_request_and_a_new_attempt_are_changes(
    capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    view = JsonLines()
    view.show([RUNNING], is_there=True)
    view.show([replace(RUNNING, **change)], is_there=True)
    assert len(capsys.readouterr().out.splitlines()) == 2


# --- lines ---------------------------------------------------------------------------------------


def shown(capsys: pytest.CaptureFixture[str], *records: JobRecord) -> list[str]:
    view = PlainLines()
    for record in records:
        view.show([record], is_there=True)
    return capsys.readouterr().err.splitlines()


def test_a_line_comes_for_a_new_state_and_for_each_tenth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = [QUEUED, QUEUED, *(replace(RUNNING, chunk=chunk) for chunk in (1, 5, 10, 11, 12, 22))]
    lines = shown(capsys, *records, replace(RUNNING, state=State.DONE))
    assert [line.split("chunk ")[-1].split("/")[0] for line in lines[1:-1]] == ["1", "11", "22"]
    assert lines[0].endswith(": queued")
    assert lines[-1].endswith(": done")


def test_a_job_that_hardly_moves_has_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    view = PlainLines()
    for clock[0] in (0.0, 10.0, 29.0, 30.0, 31.0, 61.0):
        view.show([RUNNING], is_there=True)
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_waiting_job_is_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    view = PlainLines()
    for clock[0] in (0.0, 1000.0, 2000.0):
        view.show([QUEUED], is_there=True)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_broker_that_goes_and_comes_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainLines()
    for is_there in (True, False, False, True, True):
        view.show([], is_there)
    assert capsys.readouterr().err.splitlines() == [
        "the broker is away; waiting for it",
        "the broker is back",
    ]


def test_a_line_says_where_a_job_runs_and_why_it_failed() -> None:
    assert describe(RUNNING).startswith(f"{RUNNING.id[:8]}  cat: running, chunk 3/100, 8.0 fps, ")
    assert describe(RUNNING).endswith(" left, on w0")
    error = JobFailure(FailureKind.INPUT, "no video\x1b[2J")
    failed = replace(RUNNING, state=State.FAILED, error=error, owner=None)
    assert describe(failed) == rf"{RUNNING.id[:8]}  cat: failed, input: no video\x1b[2J"


# --- a table -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([], ""),
        ([QUEUED], "1 queued"),
        ([RUNNING, QUEUED, QUEUED], "2 queued, 1 running; 1 worker"),
        ([RUNNING, replace(RUNNING, owner="w1")], "2 running; 2 workers"),
    ],
    ids=["none", "queued", "one worker", "two workers"],
)
def test_jobs_are_counted_by_state(records: list[JobRecord], text: str) -> None:
    assert summary(iter(records)) == text


def test_a_table_obeys_nothing_that_a_user_wrote() -> None:
    text = io.StringIO()
    record = replace(RUNNING, name="[red]cat", prompt="a \x1b[31mcat", owner="[b]w0")
    Console(file=text, width=200).print(make_table([record], is_there=True, most=5, width=200))
    for expected in ("[red]cat", r"a \x1b[31mcat", "[b]w0"):
        assert expected in text.getvalue()


def test_what_needs_somebody_comes_before_what_waits_and_what_ended() -> None:
    states = [State.DONE, State.QUEUED, State.PAUSED, State.FAILED, State.CANCELLED, State.RUNNING]
    records = [
        replace(RUNNING, id=f"{number:016}", state=state) for number, state in enumerate(states)
    ]
    text = io.StringIO()
    Console(file=text, width=200).print(make_table(records, is_there=True, most=4, width=200))
    rows = [line.split()[2] for line in text.getvalue().splitlines()[1:5]]
    assert rows == ["running", "failed", "paused", "queued"]


def test_a_small_screen_shows_first_what_moves(farm: Farm) -> None:
    for take in range(5):
        farm.submit(take)
    running = farm.claim()
    text = io.StringIO()
    console = Console(file=text, width=120)
    records = farm.store.list()
    console.print(make_table(records, is_there=False, most=2, width=120))
    lines = text.getvalue().splitlines()
    assert lines[1].startswith(running.id[:8])
    assert len(lines) <= 5
    assert "4 queued, 1 running; 1 worker; the broker is away" in lines[-1]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_what_matters_is_whole_on_every_terminal(width: int) -> None:
    long = "a long text that nobody needs to read to its end"
    record = replace(RUNNING, num_chunks=1200, num_frames=4800, name=long, prompt=long, owner=long)
    text = io.StringIO()
    Console(file=text, width=width).print(make_table([record, QUEUED], True, 9, width))
    lines = text.getvalue().splitlines()
    for expected in (record.id[:8], " running ", "3/1200", "8.0", "10:00"):
        assert expected in lines[1]
    assert len(lines) == 4
    assert "a lon" in lines[1]
    assert ("prompt" in lines[0]) is (width > 60)
    assert max(map(len, lines)) <= width
