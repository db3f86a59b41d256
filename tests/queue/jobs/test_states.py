"""The table of a job's life: every state can be reached and left as the documentation says."""

from __future__ import annotations

import pytest

from rushes_queue.jobs.states import FINISHED, TRANSITIONS, Event, State, is_allowed

ONLY_RUNNING = {
    Event.FINISH: State.DONE,
    Event.FAIL: State.FAILED,
    Event.BACK_OFF: State.QUEUED,
    Event.RELEASE: State.QUEUED,
    Event.LOSE: State.QUEUED,
    Event.QUARANTINE: State.QUARANTINED,
    Event.STOP: State.CANCELLED,
    Event.REST: State.PAUSED,
}


def test_every_event_has_a_line_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Event)
    assert all(TRANSITIONS.values())


@pytest.mark.parametrize("event", ONLY_RUNNING)
def test_what_ends_an_attempt_needs_one(event: Event) -> None:
    assert TRANSITIONS[event] == {State.RUNNING: ONLY_RUNNING[event]}
    assert [state for state in State if is_allowed(event, state)] == [State.RUNNING]


def test_a_job_is_claimed_only_while_it_waits() -> None:
    assert TRANSITIONS[Event.CLAIM] == {State.QUEUED: State.RUNNING}


@pytest.mark.parametrize("event", [Event.CANCEL, Event.PAUSE, Event.RESUME, Event.SET_PRIORITY])
def test_a_request_leaves_a_running_job_running(event: Event) -> None:
    assert TRANSITIONS[event][State.RUNNING] is State.RUNNING


def test_a_job_that_is_done_stays_done() -> None:
    assert [event for event in Event if is_allowed(event, State.DONE)] == []


def test_what_ended_without_a_result_can_be_tried_again() -> None:
    assert set(TRANSITIONS[Event.RETRY]) == FINISHED - {State.DONE}
    assert set(TRANSITIONS[Event.RETRY].values()) == {State.QUEUED}


def test_a_job_that_waited_in_vain_comes_back_with_the_other_one() -> None:
    assert TRANSITIONS[Event.GIVE_UP] == {State.QUEUED: State.FAILED}
    assert TRANSITIONS[Event.REVIVE] == {State.FAILED: State.QUEUED}


def test_every_state_can_be_reached_from_the_first() -> None:
    reached = {State.QUEUED}
    for _ in State:
        reached |= {
            after
            for moves in TRANSITIONS.values()
            for before, after in moves.items()
            if before in reached
        }
    assert reached == set(State)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[Event.CLAIM] = {}  # type: ignore[index]
