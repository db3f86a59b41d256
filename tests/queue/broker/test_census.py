"""The farm counted, at one instant."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from farm.commands import Farm
from rushes_queue.broker.census import Census, take_census
from rushes_queue.jobs.states import State


def test_an_empty_farm_has_every_state_and_nothing_in_it(farm: Farm) -> None:
    census = take_census(farm.store)
    assert dict(census.states) == dict.fromkeys(State, 0)
    assert (census.depths, census.num_parked, census.waiting_since_ms) == ({}, 0, None)
    assert (census.fps, census.num_done, census.num_frames) == (0, 0, 0)
    assert census.waiting_seconds is None


def test_jobs_are_counted_by_state_and_queue(farm: Farm) -> None:
    farm.done(0)
    farm.submit(1, priority="high")
    running = farm.claim()
    farm.progress(running, 2)
    first = farm.submit(2)
    farm.submit(3)
    farm.submit(4, priority="low", after=(first,))
    farm.store.changes.pause(farm.submit(5))
    census = take_census(farm.store)
    assert census.states[State.DONE] == census.states[State.RUNNING] == 1
    assert census.states[State.QUEUED] == 3
    assert census.states[State.PAUSED] == 1
    assert census.depths == {"tiny.any.normal": 2}
    assert census.num_parked == 1
    assert census.fps == 8.0
    assert census.waiting_since_ms == farm.store.get(first).created_ms


def test_what_got_done_lately_is_counted_within_the_window(farm: Farm) -> None:
    job = farm.done(0)
    frames = farm.store.get(job).num_frames
    recent = take_census(farm.store, window_seconds=60)
    assert (recent.num_done, recent.num_frames, recent.window_seconds) == (1, frames, 60)
    time.sleep(0.3)
    assert take_census(farm.store, window_seconds=0.2).num_done == 0


@pytest.mark.parametrize(("since", "seconds"), [(None, None), (4_000, 6.0), (11_000, 0.0)])
def test_how_long_the_first_in_line_waits(
    farm: Farm, since: int | None, seconds: float | None
) -> None:
    census: Census = replace(take_census(farm.store), now_ms=10_000, waiting_since_ms=since)
    assert census.waiting_seconds == seconds
