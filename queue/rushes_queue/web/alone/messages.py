"""What the process that serves and the one that renders tell each other: JSON, a line each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

Order = Literal["render", "pause", "cancel", "look"]
Kind = Literal["say", "busy", "progress", "frame", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Asked:
    """What the child is to do: render a job, or stop at the next chunk; or show a frame."""

    order: Order
    job: str
    attempt: int = 1
    oldest_fence: int = 0

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Told:
    """What the child tells of a job; which fields count depends on the kind.

    ``frame`` has a JPEG in base 64 as ``text``; ``failed`` has the kind of failure as ``level``.
    """

    kind: Kind
    job: str
    text: str = ""
    level: str = "info"
    chunk: int = 0
    frame: int = 0
    fps: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in json.loads(line).items() if name in known})
