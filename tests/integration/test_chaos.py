"""A short form of ``make chaos``: workers die at random instants, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.havoc import wreak_havoc


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_die_at_random_and_every_job_is_done_once(shared_cache: Path) -> None:
    outcome = wreak_havoc(num_jobs=4, num_faults=8, chunks=60, cache=shared_cache, seed=1)
    assert outcome.is_good, outcome
