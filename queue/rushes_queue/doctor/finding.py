"""What a check found: how bad it is, and what mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from rushes_queue.settings.loaded import LoadedSettings


class Level(StrEnum):
    """How bad it is; ``warning``: works, but not as well or as safely as it could."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``cure`` is what to do where it is not well."""

    level: Level
    name: str
    message: str
    cure: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Finding:
        data = json.loads(text)
        return cls(Level(data["level"]), data["name"], data["message"], data["cure"])


Check = Callable[[LoadedSettings], Iterator[Finding]]


def ok(name: str, message: str) -> Finding:
    return Finding(Level.OK, name, message)


def warning(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.WARNING, name, message, cure)


def fault(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.FAULT, name, message, cure)
