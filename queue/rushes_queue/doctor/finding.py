"""What a check found: how bad it is, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


Check = Callable[[LoadedSettings], Iterator[Finding]]


def ok(name: str, message: str) -> Finding:
    return Finding(Level.OK, name, message)


def warning(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.WARNING, name, message, cure)


def fault(name: str, message: str, cure: str) -> Finding:
    return Finding(Level.FAULT, name, message, cure)


def check_name(check: Check) -> str:
    """Return what a check that could not finish is called: ``check_open_files`` is open files."""
    return check.__name__.removeprefix("check_").replace("_", " ")


def late(check: Check, seconds: float) -> Finding:
    message = f"took longer than {seconds:g} s"
    return fault(check_name(check), message, "see what else is wrong, try again")
