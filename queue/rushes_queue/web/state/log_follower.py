"""The log of a job as it grows, for those who follow it; a bounded number of them at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from rushes.errors import TransientError
from rushes_queue.client.answers import JobLine
from rushes_queue.errors import BrokerError, UnknownJobError
from rushes_queue.jobs.states import FINISHED
from rushes_queue.web.state.backend import Backend

SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_SIGNS = 15.0  # of life, on a connection without news
_LOOKS_BETWEEN_SIGNS = round(_SECONDS_BETWEEN_SIGNS / SECONDS_BETWEEN_LOOKS)


class LogFollower:
    """Reads what is new in the log of one job; ``after`` is the id of the last line known."""

    def __init__(self, backend: Backend, job: str, after: str = "0") -> None:
        self._backend, self._job, self.after = backend, job, after
        self.is_over = False

    def look(self, last: int | None = None) -> list[JobLine]:
        """Return the new lines; ``last`` leaves out all but so many. Sets ``is_over``.

        Raises: BrokerError; UnknownJobError when the job is gone.
        """
        records = self._backend.records([self._job])  # first: its last lines come before its end
        lines = list(self._backend.logs(self._job, after=self.after))
        self.is_over = not records or records[0].state in FINISHED
        self.after = lines[-1].event.id if lines else self.after
        return lines if last is None else lines[len(lines) - min(last, len(lines)) :]

    async def follow(self) -> AsyncGenerator[list[JobLine], None]:
        """Yield new lines until the job has ended; an empty list is a sign of life.

        A broker that goes away is waited for.
        """
        quiet = 0
        while not self.is_over:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                lines = await asyncio.to_thread(self.look)
            except BrokerError:
                lines = []
            except UnknownJobError:  # it was removed
                return
            quiet = 0 if lines else quiet + 1
            if lines or quiet % _LOOKS_BETWEEN_SIGNS == 0:
                yield lines


class Streams:
    """Counts the event streams that are open, so that they leave connections for the rest."""

    def __init__(self, most: int = 256) -> None:
        self._most, self.num_open = most, 0

    def check_room(self) -> None:
        """Raise TransientError when there are as many as there may be."""
        if self.num_open >= self._most:
            raise TransientError(
                f"{self._most} streams of events are open; close some pages, and try again"
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Count one while it is open."""
        self.num_open += 1
        try:
            yield
        finally:
            self.num_open -= 1
