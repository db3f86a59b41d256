"""Kombu's Redis transport, made to survive malformed messages.

Anybody who can write to the broker can put anything into a queue. A message that cannot be read is
kept as a notice (``rushes stats`` shows it) and dropped; the worker continues. No job is lost: a
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

# Who records the notices of this process; set when a worker starts.
_listeners: list[Callable[[str, str], None]] = []


def on_unreadable(listener: Callable[[str, str], None]) -> None:
    """Call ``listener(reason, message)`` for each message that cannot be read."""
    _listeners.append(listener)


def report_unreadable(reason: str, message: object) -> None:
    """Report a message that cannot be read to the listeners."""
    logger.error("a message was dropped: %s", reason)
    for listener in _listeners:
        listener(reason, repr(message)[:1000])


class Channel(redis.Channel):
    """A channel that drops what is not the envelope of a message."""

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
    """Refuse a task whose body Celery cannot parse.

    It would fail after the message is received and before it is acknowledged; the worker, which
    takes one message at a time, would then wait for it for ever.

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
