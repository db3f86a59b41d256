"""Which jobs are meant."""

from __future__ import annotations

from typing import Any

import pytest

from farm.commands import Farm
from rushes_queue.client.choosing import select_jobs
from rushes_queue.jobs.states import State


@pytest.mark.parametrize(
    ("how", "takes"),
    [
        ({}, [2, 1, 0]),
        ({"states": [State.CANCELLED]}, [2]),
        ({"states": [State.CANCELLED, State.QUEUED]}, [2, 1, 0]),
        ({"tags": ["a", "z"]}, [2, 0]),
        ({"tags": ["a"], "states": [State.QUEUED]}, [0]),
        ({"name": "nothing-*"}, []),
        ({"name": "*"}, [2, 1, 0]),
    ],
    ids=str,
)
def test_every_choice_narrows_the_list(farm: Farm, how: dict[str, Any], takes: list[int]) -> None:
    jobs = [farm.submit(take, tags=("b" if take == 1 else "a",)) for take in range(3)]
    farm.store.changes.cancel(jobs[2])
    assert [jobs.index(record.id) for record in select_jobs(farm.store, **how)] == takes


def test_age_is_by_the_brokers_clock(farm: Farm) -> None:
    record = farm.store.get(farm.submit())
    assert len(select_jobs(farm.store, since_ms=record.created_ms)) == 1
    assert not select_jobs(farm.store, since_ms=record.created_ms + 1)
