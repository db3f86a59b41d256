"""The states of a job, and the events that lead from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


FINISHED = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.QUARANTINED})


class Event(StrEnum):
    """What can happen to a job.

    ``fail`` is final, ``back_off`` is followed by a retry; ``release`` hands a job back without
    blame, ``lose`` ends the attempt of a worker that is gone. ``give_up`` ends a job that depends
    on one that failed, and ``revive`` brings both back. ``cancel`` and ``pause`` of a running job
    are requests, which the worker answers with ``stop`` and ``rest``; ``resume`` withdraws a
    request to pause.
    """

    CLAIM = "claim"
    FINISH = "finish"
    FAIL = "fail"
    BACK_OFF = "back_off"
    RELEASE = "release"
    LOSE = "lose"
    QUARANTINE = "quarantine"
    CANCEL = "cancel"
    STOP = "stop"
    PAUSE = "pause"
    REST = "rest"
    RESUME = "resume"
    RETRY = "retry"
    SET_PRIORITY = "set_priority"
    GIVE_UP = "give_up"
    REVIVE = "revive"


_S = State
# From each state that allows the event to the state after it; the scripts in the broker read this
# same table. A job starts queued, and its record can be forgotten once it is finished.
TRANSITIONS: Mapping[Event, Mapping[State, State]] = MappingProxyType(
    {
        Event.CLAIM: {_S.QUEUED: _S.RUNNING},
        Event.FINISH: {_S.RUNNING: _S.DONE},
        Event.FAIL: {_S.RUNNING: _S.FAILED},
        Event.BACK_OFF: {_S.RUNNING: _S.QUEUED},
        Event.RELEASE: {_S.RUNNING: _S.QUEUED},
        Event.LOSE: {_S.RUNNING: _S.QUEUED},
        Event.QUARANTINE: {_S.RUNNING: _S.QUARANTINED},
        Event.CANCEL: {
            _S.QUEUED: _S.CANCELLED,
            _S.PAUSED: _S.CANCELLED,
            _S.FAILED: _S.CANCELLED,
            _S.QUARANTINED: _S.CANCELLED,
            _S.RUNNING: _S.RUNNING,
        },
        Event.STOP: {_S.RUNNING: _S.CANCELLED},
        Event.PAUSE: {_S.QUEUED: _S.PAUSED, _S.RUNNING: _S.RUNNING},
        Event.REST: {_S.RUNNING: _S.PAUSED},
        Event.RESUME: {_S.PAUSED: _S.QUEUED, _S.RUNNING: _S.RUNNING},
        Event.RETRY: {
            _S.FAILED: _S.QUEUED,
            _S.CANCELLED: _S.QUEUED,
            _S.QUARANTINED: _S.QUEUED,
        },
        Event.SET_PRIORITY: {
            _S.QUEUED: _S.QUEUED,
            _S.RUNNING: _S.RUNNING,
            _S.PAUSED: _S.PAUSED,
        },
        Event.GIVE_UP: {_S.QUEUED: _S.FAILED},
        Event.REVIVE: {_S.FAILED: _S.QUEUED},
    }
)


def is_allowed(event: Event, state: State) -> bool:
    """Return whether the event can happen to a job in this state."""
    return state in TRANSITIONS[event]
