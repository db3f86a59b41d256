"""Changes of jobs for all pages at once: the broker is asked once, however many look."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import suppress

from rushes.errors import RushesError
from rushes_queue.client.watch import ChangedRecords
from rushes_queue.jobs.public_json import SCHEMA_VERSION, to_json
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import FINISHED
from rushes_queue.web.state.backend import Backend

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.4
_JOBS_PER_SECOND = 2000  # that are looked at
_FINISHED_A_LOOK = 50  # jobs that have ended are looked at in turn: they may be tried again
_SECONDS_BETWEEN_SIGNS = 15.0  # of life, on a connection without news

GONE, BROKER = "gone", "broker"


class Listener:
    """One page: the latest news of each job that it has not been sent; older ones are dropped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, jobs: Collection[str]) -> None:
        self._loop, self._jobs = loop, frozenset(jobs)
        self._news: dict[str, str] = {}
        self._is_news = asyncio.Event()
        self._lock = threading.Lock()

    def put(self, job: str, text: str) -> None:
        """Take news from the thread that looks."""
        if self._jobs and job not in self._jobs and job != BROKER:
            return
        with self._lock:
            is_first = not self._news
            self._news.pop(job, None)
            self._news[job] = text
        if is_first:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._is_news.set)

    async def news(self) -> AsyncIterator[list[str]]:
        """Yield what came since the last time; an empty list is a sign of life."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS_BETWEEN_SIGNS):
                    await self._is_news.wait()
            self._is_news.clear()
            with self._lock:
                news, self._news = self._news, {}
            yield list(news.values())


class Feed:
    """Looks at the jobs of a backend in a thread, as long as anybody listens."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._is_closed = False

    async def listen(self, jobs: Collection[str] = ()) -> AsyncGenerator[list[str], None]:
        """Yield changes as JSON texts; of these jobs, or of all; at first how those stand."""
        listener = Listener(asyncio.get_running_loop(), jobs)
        if jobs:
            for record in await asyncio.to_thread(self._backend.records, jobs):
                listener.put(record.id, record_text(record))
        self._add(listener)
        try:
            async for news in listener.news():
                yield news
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def look_now(self) -> None:
        """Look at once: something was just changed."""
        self._wake.set()

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._wake.set()

    def _add(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.add(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        looker, is_there = _Looker(self._backend), True
        while listeners := self._listeners_now():
            try:
                news = looker.look()
                if not is_there:
                    news[BROKER] = _text({"kind": BROKER, "is_there": True})
                is_there = True
            except RushesError:
                news = {BROKER: _text({"kind": BROKER, "is_there": False})} if is_there else {}
                is_there = False
            except Exception:
                logger.exception("changes of jobs cannot be read")
                news = {}
            for job, text in news.items():
                for listener in listeners:
                    listener.put(job, text)
            self._wake.wait(max(_SECONDS_BETWEEN_LOOKS, looker.num_live / _JOBS_PER_SECOND))
            self._wake.clear()

    def _listeners_now(self) -> tuple[Listener, ...]:
        """Return who listens; where nobody does, the thread is to end."""
        with self._lock:
            listeners = () if self._is_closed else tuple(self._listeners)
            if not listeners:
                self._thread = None
            return listeners


class _Looker:
    """Finds what is new: jobs that live are asked each time, those that have ended in turn."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._changed = ChangedRecords()
        self._live: set[str] = set()
        self._ended: dict[str, None] = {}  # in the order in which they are asked
        self._is_first = True

    @property
    def num_live(self) -> int:
        return len(self._live)

    def look(self) -> dict[str, str]:
        """Return a JSON text for each job that has changed or is gone.

        Raises: BrokerError.
        """
        known = self._live | self._ended.keys()
        ids = set(self._backend.ids())
        gone = known - ids
        in_turn = [job for job, _ in zip(self._ended, range(_FINISHED_A_LOOK), strict=False)]
        asked = (ids - known) | (self._live - gone) | set(in_turn)
        found = list(self._changed.of(self._note(self._backend.records(asked), in_turn)))
        news = {} if self._is_first else {record.id: record_text(record) for record in found}
        self._is_first = False
        for job in gone:
            self._live.discard(job)
            self._ended.pop(job, None)
            news[job] = _text({"kind": GONE, "id": job})
        return news

    def _note(self, records: Iterable[JobRecord], in_turn: Iterable[str]) -> list[JobRecord]:
        records = list(records)
        for job in in_turn:
            self._ended.pop(job, None)
        for record in records:
            if record.state in FINISHED:
                self._live.discard(record.id)
                self._ended[record.id] = None
            else:
                self._live.add(record.id)
        return records


def record_text(record: JobRecord) -> str:
    """Return a change as ``rushes watch --json`` prints it."""
    return _text({"kind": "job"} | to_json(record))


def _text(data: dict[str, object]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION} | data)
