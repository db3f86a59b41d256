"""A job in words, for tables and lines."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from farm.documents import document
from rushes_queue.cli.show.job_view import (
    age,
    clock,
    local_time,
    share_done,
    shown_name,
    shown_progress,
    shown_reason,
    shown_speed,
    shown_state,
    state_style,
)
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import FailureKind, JobFailure
from rushes_queue.jobs.states import State

QUEUED = replace(new_record(document(), "jobs/x/job.json"), num_chunks=10, num_frames=41)
RUNNING = replace(QUEUED, state=State.RUNNING, chunk=3, frame=13, fps=7.0)
ERROR = JobFailure(FailureKind.BUG, "it\nbroke")


@pytest.mark.parametrize(
    ("change", "share"),
    [
        ({}, 0.3),
        ({"chunk": 11}, 1.0),
        ({"num_chunks": 0}, 0.0),
        ({"state": State.DONE, "chunk": 0}, 1.0),
        ({"state": State.FAILED}, 0.3),
    ],
    ids=str,
)
def test_the_share_that_is_made(change: dict[str, Any], share: float) -> None:
    assert share_done(replace(RUNNING, **change)) == share


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "queued"),
        ({"waiting_for": ("0123456789abcdef", "f" * 16)}, "queued, after 01234567, ffffffff"),
        ({"not_before_ms": 5}, "queued, to be tried again"),
        ({"state": State.RUNNING}, "running"),
        ({"state": State.RUNNING, "pause": True}, "running, to be paused"),
        ({"state": State.RUNNING, "pause": True, "cancel": True}, "running, to be cancelled"),
        ({"state": State.DONE, "cancel": True}, "done"),
        ({"state": State.PAUSED, "not_before_ms": 5}, "paused"),
    ],
    ids=str,
)
def test_a_state_says_what_may_surprise(change: dict[str, Any], text: str) -> None:
    assert shown_state(replace(QUEUED, **change)) == text


def test_what_went_wrong_stands_out() -> None:
    styles = {state: state_style(replace(QUEUED, state=state)) for state in State}
    assert styles[State.FAILED] == styles[State.QUARANTINED] == "bold red"
    assert styles[State.QUEUED] == ""
    assert len({styles[State.DONE], styles[State.RUNNING], styles[State.CANCELLED]}) == 3


def test_progress_has_a_speed_only_while_it_runs() -> None:
    assert shown_progress(RUNNING) == "3/10, 7.0 fps, 0:04 left"
    assert shown_progress(replace(RUNNING, fps=0.0)) == "3/10"
    assert shown_progress(replace(RUNNING, state=State.PAUSED)) == "3/10"
    assert shown_speed(1.25, None) == "1.2 fps, ? left"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"error": ERROR}, r"bug: it\nbroke"),
        ({"notes": {"refused_by": "w1"}}, "refused_by: w1"),
        ({"error": ERROR, "notes": {"a": "b"}}, r"bug: it\nbroke; a: b"),
        ({"state": State.FAILED, "error": ERROR, "notes": {"a": "b"}}, r"bug: it\nbroke"),
        ({"state": State.DONE, "error": ERROR, "notes": {"a": "b"}}, ""),
    ],
    ids=str,
)
def test_a_reason_is_given_only_where_all_is_not_well(change: dict[str, Any], reason: str) -> None:
    assert shown_reason(replace(QUEUED, **change)) == reason


def test_a_name_is_short_and_harmless() -> None:
    assert shown_name(replace(QUEUED, name="\x1b[2J")) == r"\x1b[2J"
    assert shown_name(replace(QUEUED, name="x" * 41)) == "x" * 39 + "…"
    assert shown_name(replace(QUEUED, name="x" * 10), 5) == "xxxx…"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0:00"), (59.6, "1:00"), (75, "1:15"), (3599, "59:59"), (3661, "1:01:01")],
)
def test_a_duration(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
    ],
)
def test_an_age_is_in_its_largest_unit(seconds: int, text: str) -> None:
    assert age(1_000_000, 1_000_000 + seconds * 1000) == text
    assert age(None, 5) == ""


def test_a_time_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert local_time(1_767_312_000_999) == "2026-01-02 02:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()
