"""What the scripts answer, in words of ours."""

from __future__ import annotations

import pytest

from rushes_queue.broker.replies import Bell, Change, Rest, pair_up, to_bells, to_change
from rushes_queue.jobs.states import State


@pytest.mark.parametrize(
    ("outcome", "is_change"), [("ok", True), ("created", True), ("same", False), ("", False)]
)
def test_a_change_is_one_or_was_so_already(outcome: str, is_change: bool) -> None:
    change = to_change("ab", [outcome, "queued", "running", ["ab", "q1", "cd", "q2"]])
    assert change == Change(
        "ab", State.QUEUED, State.RUNNING, is_change, (Bell("ab", "q1"), Bell("cd", "q2"))
    )


def test_a_new_job_was_nothing_before_and_a_forgotten_one_is_nothing_after() -> None:
    assert to_change("ab", ["created", "", "queued", []]).before is None
    assert to_change("ab", ["ok", "done", None, []]).after is None


def test_a_state_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="asleep"):
        to_change("ab", ["ok", "asleep", "queued", []])


def test_flat_lists_are_pairs() -> None:
    assert pair_up(["a", "b", "c", "d"]) == [("a", "b"), ("c", "d")]
    assert to_bells([]) == ()
    with pytest.raises(ValueError, match="shorter"):
        pair_up(["a", "b", "c"])


@pytest.mark.parametrize(("seconds", "is_over"), [(0.0, True), (-1.0, True), (0.1, False)])
def test_a_rest_is_over_when_no_time_is_left(seconds: float, is_over: bool) -> None:
    assert Rest(3, seconds).is_over is is_over
