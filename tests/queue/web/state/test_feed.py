"""News of jobs: once for all who listen, the latest of each job, and none while nobody does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable
from typing import Any

import pytest

import rushes_queue
from farm.commands import Farm
from rushes_queue.errors import BrokerError
from rushes_queue.web.state.feed import Feed, Listener


@pytest.fixture
def backend(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> rushes_queue.Farm:
    for name, value in farm.environment.items():
        monkeypatch.setenv(name, value)
    return rushes_queue.Farm()


async def _read(feed: Feed, number: int, jobs: Iterable[str], act: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    listening = feed.listen(tuple(jobs))
    async with asyncio.timeout(60):
        while len(found) < number:
            asked = asyncio.ensure_future(anext(listening))
            await asyncio.sleep(0.5)  # the first look has been
            act, done = (lambda: None), act()
            del done
            found += map(json.loads, await asked)
    await listening.aclose()
    return found


def read(feed: Feed, number: int, jobs: Iterable[str] = (), act: Any = lambda: None) -> Any:
    return asyncio.run(_read(feed, number, jobs, act))


def test_one_who_looks_at_a_job_hears_at_once_how_it_stands(
    farm: Farm, backend: rushes_queue.Farm
) -> None:
    job = farm.submit()
    (event,) = read(Feed(backend), 1, [job])
    assert event == {
        "schema_version": 1,
        "kind": "job",
        **rushes_queue.to_json(backend.status(job).record),
    }


def test_changes_new_jobs_and_lost_ones_are_news(farm: Farm, backend: rushes_queue.Farm) -> None:
    old = farm.done(take=1)
    feed = Feed(backend)
    (new,) = read(feed, 1, act=lambda: farm.submit(take=2))
    assert (new["kind"], new["state"]) == ("job", "queued")
    (running,) = read(feed, 1, act=farm.claim)
    assert (running["id"], running["state"]) == (new["id"], "running")
    (gone,) = read(feed, 1, act=lambda: farm.store.changes.forget(old))
    assert gone == {"schema_version": 1, "kind": "gone", "id": old}


def test_nobody_is_asked_while_nobody_listens(farm: Farm, backend: rushes_queue.Farm) -> None:
    job = farm.submit()
    feed = Feed(backend)
    read(feed, 1, [job])
    for thread in threading.enumerate():
        if thread.name == "feed":
            thread.join(10)
    assert "feed" not in [thread.name for thread in threading.enumerate()]


def test_who_reads_slowly_gets_the_latest_alone() -> None:
    async def slow() -> list[str]:
        listener = Listener(asyncio.get_running_loop(), ())
        for number in range(100_000):
            listener.put("a", str(number))
        listener.put("b", "b")
        listener.put("a", "last")
        return await anext(listener.news())

    assert asyncio.run(slow()) == ["b", "last"]


def test_one_job_is_heard_alone() -> None:
    async def one() -> list[str]:
        listener = Listener(asyncio.get_running_loop(), ["a"])
        for job in ("b", "a", "c"):
            listener.put(job, job)
        return await anext(listener.news())

    assert asyncio.run(one()) == ["a"]


class Away:
    """A backend whose broker is away at first."""

    num_asked = 0

    def ids(self) -> list[str]:
        self.num_asked += 1
        if self.num_asked < 3:
            raise BrokerError("away")
        return []

    def records(self, jobs: Iterable[str]) -> list[Any]:
        return []


def test_a_broker_that_is_away_is_said_and_that_it_is_back() -> None:
    events = read(Feed(Away()), 2)  # type: ignore[arg-type]
    assert [event["is_there"] for event in events] == [False, True]
