"""What a check found: how bad it is, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from rushes_queue.settings.loaded import LoadedSettings


class Level(StrEnum):
    """How bad it is; ``warning``: it works, but not as well or as safely as it could."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check; ``cure`` is what to do unless all is well."""

    level: Level
    name: str
    message: str
    cure: str = ""


Check = Callable[[LoadedSettings], Iterator[Finding]]


def ok(name: str, message: str) -> Finding:
    return Finding(Level.OK, name, message)


def warning(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.WARNING, name, message, cure)


def fault(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.FAULT, name, message, cure)


def check_name(check: Check) -> str:
    """Return the name of a check that could not finish: open files for ``check_open_files``."""
    return check.__name__.removeprefix("check_").replace("_", " ")


def late(check: Check, seconds: float) -> Finding:
    message = f"took longer than {seconds:g} s"
    return fault(check_name(check), message, "fix the other findings first, then try again")
