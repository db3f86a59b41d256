"""Connections that begin no request, do not end one, or do not read their answer, are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS_TO_ASK = 15.0
SECONDS_TO_READ = 60.0  # as nginx (send_timeout); a <video> that is paused asks again later


class PatientProtocol(H11Protocol):
    """HTTP whose clients have a bounded time for the head of each request, and for each answer.

    Whoever has not taken the part of an answer that is written down, 64 KiB, within
    ``seconds_to_read`` is cut off. The server itself bounds the time without any byte between two
    requests, and ``bodies`` that of bodies.
    """

    seconds_to_ask = SECONDS_TO_ASK
    seconds_to_read = SECONDS_TO_READ

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._asks = _Deadline(self.loop, self._give_up_asking)
        self._reads = _Deadline(self.loop, self._give_up)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._asks.begin(self.seconds_to_ask)

    def connection_lost(self, exc: Exception | None) -> None:
        self._asks.end()
        self._reads.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head that is not whole yet do not move its deadline."""
        super().data_received(data)
        if self._is_answering():
            self._asks.end()
        else:
            self._asks.begin(self.seconds_to_ask)

    def pause_writing(self) -> None:
        """Note that the client is behind: more than 64 KiB wait for it."""
        super().pause_writing()
        self._reads.begin(self.seconds_to_read)

    def resume_writing(self) -> None:
        """Note that it has read on."""
        self._reads.end()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without requests; one that has not read its answer at once."""
        if self.transport.get_write_buffer_size():
            self._give_up()
        else:
            super().timeout_keep_alive_handler()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _give_up_asking(self) -> None:
        if not self._is_answering():
            self._give_up()

    def _give_up(self) -> None:
        self.transport.abort()


class _Deadline:
    """Calls something after a while, unless it is ended before; begun twice it stays the first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        self._loop, self._act = loop, act
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._run)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = None
        self._act()
