"""The log of a job for those who follow it: new lines, once, until the job has ended."""

from __future__ import annotations

import asyncio

import pytest

import rushes_queue
from farm.commands import Farm
from rushes.errors import TransientError
from rushes_queue.web.state import log_follower
from rushes_queue.web.state.log_follower import LogFollower, Streams


@pytest.fixture
def backend(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> rushes_queue.Farm:
    for name, value in farm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(log_follower, "SECONDS_BETWEEN_LOOKS", 0.01)
    return rushes_queue.Farm()


def test_each_line_comes_once(farm: Farm, backend: rushes_queue.Farm) -> None:
    job = farm.submit()
    follower = LogFollower(backend, job)
    assert follower.look() == []
    farm.store.events.add(job, "log", {"message": "a"})
    farm.store.events.add(job, "log", {"message": "b"})
    assert [line.event.fields["message"] for line in follower.look(last=1)] == ["b"]
    assert follower.look() == []
    assert not follower.is_over


def test_it_ends_with_the_job(farm: Farm, backend: rushes_queue.Farm) -> None:
    job = farm.submit()
    follower = LogFollower(backend, job)
    follower.look()
    farm.run("cancel", job)

    async def all_lines() -> list[str]:
        return [line.event.kind for lines in [x async for x in follower.follow()] for line in lines]

    assert asyncio.run(all_lines()) == ["state"]
    assert follower.is_over


def test_a_bounded_number_of_streams_is_open() -> None:
    streams = Streams(most=1)
    streams.check_room()
    with streams.opened(), pytest.raises(TransientError, match="close some pages"):
        streams.check_room()
    streams.check_room()
