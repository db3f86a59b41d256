"""Errors survive a trip to another process, and say which exit code they mean."""

from __future__ import annotations

import pickle

import pytest

from rushes import errors
from rushes.errors import (
    ConfigError,
    RenderProcessError,
    RushesError,
    TimelineError,
    TransientError,
    UnreachableError,
)

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RushesError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_its_message_alone(kind: type[RushesError]) -> None:
    sent = kind("a.json: is wrong; mend it")
    back = pickle.loads(pickle.dumps(sent))
    assert type(back) is kind
    assert str(back) == str(kind(*sent.args)) == "a.json: is wrong; mend it"


@pytest.mark.parametrize("kind", [TimelineError, ConfigError])
def test_details_travel_too(kind: type[TimelineError | ConfigError]) -> None:
    back = pickle.loads(pickle.dumps(kind("wrong", path="a.json", field="settings.seed")))
    assert (back.path, back.field) == ("a.json", "settings.seed")


def test_only_a_passing_failure_is_worth_another_try() -> None:
    assert [kind for kind in KINDS if kind.retryable] == [
        RenderProcessError,
        TransientError,
        UnreachableError,
    ]


def test_every_error_has_an_exit_code_that_is_no_success() -> None:
    assert {kind.exit_code for kind in KINDS} <= {1, 3, 4, 5, 6, 75}
