"""Bodies of requests: of bounded size, and not slower than a bounded time."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

SECONDS_BETWEEN_PARTS = 20.0
MOST_JSON_BYTES = 64 * 2**20


class BoundedBody:
    """Reads the body of a request until it is too large, or does not come.

    Raises: HTTPException 413 for more than ``most`` bytes, 408 when nothing comes for a while.
    """

    def __init__(self, receive: Receive, most: int, patience_seconds: float | None = None) -> None:
        self._receive, self._most = receive, most
        self._patience = patience_seconds or SECONDS_BETWEEN_PARTS
        self._num_bytes = 0
        self._is_over = False

    async def __call__(self) -> Message:
        if self._is_over:  # only the end of the connection can come
            return await self._receive()
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, "the rest of the request did not come in time") from error
        self._num_bytes += len(message.get("body", b""))
        self._is_over = not message.get("more_body", False)
        if self._num_bytes > self._most:
            raise too_large(self._most)
        return message


def too_large(most: int) -> HTTPException:
    """Return the error for a body above the bound."""
    return HTTPException(413, f"at most {most:,} bytes are allowed here; send less")
