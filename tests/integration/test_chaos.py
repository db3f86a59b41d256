"""A short form of ``make chaos``: workers die at random instants, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.havoc import wreak_havoc


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("num_jobs", "num_faults"), [(2, 2), pytest.param(4, 8, marks=pytest.mark.long)]
)
def test_workers_die_at_random_and_every_job_is_done_once(
    num_jobs: int, num_faults: int, shared_cache: Path
) -> None:
    outcome = wreak_havoc(
        num_jobs=num_jobs, num_faults=num_faults, chunks=60, cache=shared_cache, seed=1
    )
    assert outcome.is_good, outcome
