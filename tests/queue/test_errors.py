"""Errors of jobs survive a trip to another process, and say which exit code they mean."""

from __future__ import annotations

import pickle

import pytest

from rushes.errors import RushesError
from rushes_queue import errors
from rushes_queue.errors import BrokerError, JobError, NewerDocumentError, WorkerRestsError

KINDS: list[type[RushesError]] = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and kind.__module__ == errors.__name__
]
EXIT_CODES = {
    "UnknownJobError": 4,
    "AmbiguousJobError": 2,
    "JobConflictError": 6,
    "DocumentError": 3,
    "NewerDocumentError": 3,
    "BrokerAnswerError": 5,
    "BrokerError": 5,
    "JobTimeoutError": 8,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_its_message_alone(kind: type[RushesError]) -> None:
    back = pickle.loads(pickle.dumps(kind("job ab: is gone; submit it again")))
    assert type(back) is kind
    assert str(back) == "job ab: is gone; submit it again"


def test_details_travel_too() -> None:
    newer = pickle.loads(pickle.dumps(NewerDocumentError("newer", job="ab", schema_version=7)))
    assert (newer.job, newer.schema_version) == ("ab", 7)
    rests = pickle.loads(pickle.dumps(WorkerRestsError("rests", job="ab", seconds=2.5)))
    assert (rests.job, rests.seconds) == ("ab", 2.5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_command_that_meets_it_returns_its_exit_code(kind: type[RushesError]) -> None:
    is_passing = kind.retryable
    assert kind.exit_code == EXIT_CODES.get(kind.__name__, 75 if is_passing else 1)


def test_only_what_is_wrong_with_the_broker_is_worth_another_try() -> None:
    assert {kind for kind in KINDS if kind.retryable} == {BrokerError, errors.BrokerFullError}
    assert not issubclass(BrokerError, JobError)
