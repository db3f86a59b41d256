"""A short form of ``make chaos``: workers die at random instants, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.crash_worker import POINTS
from farm.havoc import ALL_FAULTS, wreak_havoc
from farm.running import RunningFarm
from farm.timelines import write_shot
from rushes_queue.jobs.states import State

# The supervisor is to outlive who starts it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.long
def test_a_short_soak_loses_nothing_and_blames_only_the_poison(shared_cache: Path) -> None:
    outcome = wreak_havoc(
        num_jobs=8,
        num_faults=10,
        kinds=ALL_FAULTS,
        chunks=20,
        with_enemies=True,
        cache=shared_cache,
        seed=1,
    )
    assert outcome.is_good, outcome


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_may_die_between_any_two_steps(running: RunningFarm) -> None:
    """Each job is named after the step behind which its worker is killed, once.

    There are two workers, so that one need not wait for the other to be replaced.
    """
    shots = [
        write_shot(running.folder / f"{point}.json", chunks=6, seed=seed)
        for seed, point in enumerate(POINTS)
    ]
    jobs = running.submit(*shots)
    for _ in range(2):
        running.start_crashing_worker()
    records = running.wait(jobs)
    for job, shot in zip(jobs, shots, strict=True):
        record = records[job]
        assert (record.state, record.attempts) == (State.DONE, 2), running.describe([job])
        assert running.manifest(record)["frames_sha256"] == running.render_here(shot)[0], shot
        assert running.video(record) == running.render_here(shot)[1], shot
        assert sum(job in key and key.endswith(".mp4") for key in running.results()) == 1
