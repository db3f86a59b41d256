"""The events of each job, and notices about what belongs to no job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes_queue.broker.events import JobEvent, check_place, to_entry, to_event, to_events
from rushes_queue.broker.scripts import Scripts
from rushes_queue.jobs.find_id import refuse_unknown

if TYPE_CHECKING:
    from redis import Redis

_MOST_NOTICES = 1000
_LONGEST_BLOCK_MS = 4000  # redis-py itself gives up after 5 s


class EventLog:
    """Streams of the broker to which workers write.

    Every method raises BrokerError when the broker cannot be reached.
    """

    def __init__(self, client: Redis, scripts: Scripts) -> None:
        self._client, self._scripts = client, scripts

    def add(
        self, job: str, kind: str, fields: Mapping[str, object], *, fence: int | None = None
    ) -> bool:
        """Log an event; return False if ``fence`` is out of date.

        Raises: BrokerFullError.
        """
        entry = [text for pair in to_entry(kind, fields).items() for text in pair]
        reply = self._scripts.run("add_event", job, "" if fence is None else fence, *entry)
        if reply == "unknown":
            refuse_unknown(job)
        return bool(reply == "ok")

    def read(
        self, job: str, after: str = "0", *, block_ms: int = 0, limit: int = 1000
    ) -> tuple[JobEvent, ...]:
        """Return the events after a position, waiting up to ``block_ms`` for the first one.

        A long wait ends early, before the connection times out.
        Raises: JobError when ``after`` is not a position.
        """
        stream = {f"{self._scripts.prefix}events:{job}": check_place(after)}
        block = min(block_ms, _LONGEST_BLOCK_MS) or None
        return to_events(
            self._scripts.ask(
                lambda: self._client.xread(stream, count=limit, block=block)  # type: ignore[arg-type]
            )
        )

    def add_notice(
        self, kind: str, message: str, fields: Mapping[str, object] | None = None
    ) -> None:
        """Keep a notice that belongs to no job: a message or document that cannot be read.

        Raises: BrokerFullError.
        """
        entry = to_entry(kind, {"message": message} | dict(fields or {}))
        key = f"{self._scripts.prefix}notices"
        self._scripts.ask(lambda: self._client.xadd(key, entry, maxlen=_MOST_NOTICES))  # type: ignore[arg-type]

    def notices(self, limit: int = 100) -> tuple[JobEvent, ...]:
        """Return the latest notices, the newest first."""
        key = f"{self._scripts.prefix}notices"
        entries: Any = self._scripts.ask(lambda: self._client.xrevrange(key, count=limit))
        return tuple(map(to_event, entries))
