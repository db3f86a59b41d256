"""The stage clock counts what functions take and changes nothing else about them."""

from __future__ import annotations

import time

import pytest

from rushes.stream.stage_clock import StageClock


def test_a_timed_function_takes_and_returns_the_same() -> None:
    timed = StageClock().timed("join", lambda *parts, end: "".join(parts) + end)
    assert timed("a", "b", end="c") == "abc"


def test_seconds_add_up_by_stage() -> None:
    clock = StageClock()
    sleep, rest = clock.timed("sleep", time.sleep), clock.timed("rest", time.sleep)
    for _ in range(2):
        sleep(0.02)
    rest(0.001)
    seconds = clock.seconds()
    assert seconds.keys() == {"sleep", "rest"}
    assert seconds["sleep"] >= 0.04
    assert seconds["rest"] < seconds["sleep"]


def test_what_runs_on_the_host_counts_the_same() -> None:
    clock = StageClock()
    assert clock.timed_on_host("write", lambda frames: frames + 1)(1) == 2
    clock.timed_on_host("read", time.sleep)(0.02)
    assert clock.seconds().keys() == {"write", "read"}
    assert clock.seconds()["read"] >= 0.02


def test_two_functions_can_share_a_stage() -> None:
    clock = StageClock()
    for function in (clock.timed("both", time.sleep), clock.timed("both", time.sleep)):
        function(0.01)
    assert clock.seconds()["both"] >= 0.02


def test_a_stage_that_never_ran_has_no_entry() -> None:
    clock = StageClock()
    clock.timed("never", time.sleep)
    assert clock.seconds() == {}


def test_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        StageClock().timed("fail", lambda: 1 / 0)()


def test_what_is_returned_is_a_snapshot() -> None:
    clock = StageClock()
    sleep = clock.timed("sleep", time.sleep)
    sleep(0)
    before = clock.seconds()
    kept = dict(before)
    sleep(0.01)
    assert before == kept
