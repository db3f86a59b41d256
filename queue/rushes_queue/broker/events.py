"""The events of a job, and notices about messages that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rushes.text import shortened
from rushes_queue.errors import JobError

MOST_FIELDS = 32
LONGEST_VALUE = 4000  # characters

_PLACE = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?|\$")


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry of a stream; ``id`` is its position, from which reading can continue.

    Events of kind ``state`` are written by the broker at each change: event, state, ms, fence,
    worker, reason.
    """

    id: str
    kind: str
    fields: dict[str, str] = field(hash=False)

    @property
    def ms(self) -> int:
        """When it was written, by the broker's clock, in milliseconds since 1970."""
        return int(self.id.partition("-")[0])


def to_entry(kind: str, fields: Mapping[str, object]) -> dict[str, str]:
    """Return an entry of bounded size."""
    items = list(fields.items())[:MOST_FIELDS]
    return {"kind": kind} | {
        shortened(str(name), 100): shortened(str(value), LONGEST_VALUE) for name, value in items
    }


def to_event(entry: tuple[str, Mapping[str, str]]) -> JobEvent:
    """Read an entry of a stream."""
    place, fields = entry
    return JobEvent(
        place,
        fields.get("kind", ""),
        {name: value for name, value in fields.items() if name != "kind"},
    )


def check_place(after: str) -> str:
    """Return a position from which reading can continue.

    Raises: JobError when it is not one.
    """
    if not _PLACE.fullmatch(after):
        raise JobError(f"{after!r} is not a place in the events; write one that was read, or 0")
    return after


def to_events(reply: Any) -> tuple[JobEvent, ...]:
    """Read the answer of XREAD about one stream."""
    return tuple(map(to_event, reply[0][1])) if reply else ()
