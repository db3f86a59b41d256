"""A step that cannot be captured still runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rushes.models.graphs.capture import Replay, WhereItCan
from rushes.models.graphs.runner import Runners


class Refusing:
    """A capture that fails, as that of a GPU does when a step waits for a result."""

    def __init__(self, error: RuntimeError) -> None:
        self._error = error

    def __call__(self, run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        raise self._error


def double(each: Tensor) -> Tensor:
    return 2 * each


def test_a_step_that_cannot_be_captured_runs_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    runners = Runners(WhereItCan(Refusing(RuntimeError("operation not permitted"))))
    results = [
        runners.run("double", double, [torch.full((2,), float(n))]).tolist() for n in (1, 2, 3)
    ]
    assert results == [[2.0, 2.0], [4.0, 4.0], [6.0, 6.0]]
    assert [record.getMessage() for record in caplog.records] == [
        "a step cannot be captured and runs without a graph: operation not permitted"
    ]


def test_short_memory_is_told_to_who_can_save_some() -> None:
    runners = Runners(WhereItCan(Refusing(torch.OutOfMemoryError("no room"))))
    runners.run("double", double, [torch.ones(2)])
    with pytest.raises(torch.OutOfMemoryError):
        runners.run("double", double, [torch.ones(2)])


def test_what_can_be_captured_has_its_result_at_one_address() -> None:
    runners = Runners(WhereItCan(Replay()))
    runners.run("double", double, [torch.ones(2)])
    first, second = (runners.run("double", double, [torch.full((2,), n)]) for n in (3.0, 4.0))
    assert first.data_ptr() == second.data_ptr()
    assert second.tolist() == [8.0, 8.0]
