"""Kombu's Redis transport, made to survive messages that are none.

Anybody who can write to the broker can put anything into a queue. What cannot be read is noted in
the broker (``rushes stats`` shows it) and dropped; the worker goes on. No job is lost by that: a
message is only a doorbell.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from typing import Any

from kombu.transport import redis

logger = logging.getLogger(__name__)

# Who keeps the notices of this process; set when a worker starts.
_listeners: list[Callable[[str, str], None]] = []


def on_unreadable(listener: Callable[[str, str], None]) -> None:
    """Have ``listener(reason, message)`` called for each message that cannot be read."""
    _listeners.append(listener)


def report_unreadable(reason: str, message: object) -> None:
    """Tell the listeners of a message that cannot be read."""
    logger.error("a message was dropped: %s", reason)
    for listener in _listeners:
        listener(reason, repr(message)[:1000])


class Channel(redis.Channel):
    """A channel that drops what is not an envelope of a message."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, AttributeError) as error:
            report_unreadable(f"it is not JSON: {error}", "")
            return True


class Transport(redis.Transport):
    """Used as ``rushes_queue.doorbell.transport:Transport``."""

    Channel = Channel

    def _deliver(self, message: Any, queue: Any) -> None:
        try:
            message["properties"]["delivery_info"]
            message["properties"]["delivery_tag"]
            _check_body(message)
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            report_unreadable(f"its envelope is broken: {type(error).__name__} {error}", message)


def _check_body(message: Any) -> None:
    """Refuse a task whose body Celery cannot take apart.

    It would fail after the message was taken and before it is acknowledged; the worker, which takes
    one message at a time, would then wait for its end for ever.

    Raises: KeyError, TypeError, ValueError, AttributeError, RecursionError.
    Source: Celery's message protocol, version 2: a body is [args, kwargs, embed].
    """
    body = message["body"]
    if "task" not in (message.get("headers") or {}):
        return
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    match json.loads(body):
        case [list(), dict(), dict() | None]:
            return
    raise ValueError("its body is not [args, kwargs, embed]")
