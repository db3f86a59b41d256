"""Reads a JSON object field by field, reporting wrong values and keys that were not read."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rushes.text import file_name_fault, printable
from rushes.timeline.names import bare_name
from rushes.timeline.problems import Problems, describe, key_path, show_number

LARGEST_INTEGER = 2**63 - 1
LONGEST_PATH = 4096


class Fields:
    """An object of the document.

    Every reader returns ``None`` for a field that is absent, null or wrong; a wrong one is
    reported, so that reading can go on to the next fault.
    """

    __slots__ = ("_read", "data", "path", "problems")

    def __init__(self, data: dict[str, Any], path: str, problems: Problems) -> None:
        self.data = data
        self.path = path
        self.problems = problems
        self._read: set[str] = set()

    def path_of(self, key: str) -> str:
        return key_path(self.path, key)

    def take(self, key: str, *, required: bool = False) -> Any:
        """Return the raw value and mark the key as known."""
        self._read.add(key)
        value = self.data.get(key)
        if value is None and required:
            self.problems.error(self.path_of(key), "is missing; add it")
        return value

    def wrong(self, key: str, wanted: str) -> None:
        """Report a value of the wrong kind."""
        value = self.data[key]
        self.problems.error(self.path_of(key), f"must be {wanted}, is {describe(value)}", value)

    def number(
        self, key: str, low: float | None = None, high: float | None = None, required: bool = False
    ) -> Decimal | None:
        value = self.take(key, required=required)
        if value is None:
            return None
        if not is_number(value):
            self.wrong(key, "a number")
            return None
        number = Decimal(value)
        if not number.is_finite():
            return None  # reported where the text was read
        if (low is not None and number < low) or (high is not None and number > high):
            self.wrong(key, f"a number {_range(low, high)}")
            return None
        return number

    def integer(self, key: str, low: int | None = None, high: int = LARGEST_INTEGER) -> int | None:
        value = self.take(key)
        if value is None:
            return None
        integer = as_integer(value)
        if integer is None or (low is not None and integer < low) or integer > high:
            self.wrong(key, f"an integer {_range(low, high)}")
            return None
        return integer

    def boolean(self, key: str) -> bool | None:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, "true or false")
            return None
        return value

    def text(self, key: str, *, longest: int | None = None) -> str | None:
        """Read a string; ``longest`` is how many characters it may have."""
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            self.wrong(key, "a string")
            return None
        if value is not None and longest is not None and len(value) > longest:
            message = f"has {len(value):,} characters; at most {longest:,} are allowed, shorten it"
            self.problems.error(self.path_of(key), message, value)
            return None
        return value

    def file(self, key: str) -> str | None:
        """Read the name of a file, which lies relative to the timeline unless it is absolute."""
        name = self.text(key)
        if name is not None and (fault := file_fault(name)):
            self.problems.error(self.path_of(key), f"{fault}; rename it", name)
            return None
        return name

    def choice(self, key: str, options: Sequence[str]) -> Any:
        value = self.take(key)
        if value is not None and (not isinstance(value, str) or value not in options):
            self.wrong(key, f"one of {', '.join(options)}")
            return None
        return value

    def array(self, key: str, *, most: int | None = None) -> list[Any] | None:
        value = self.take(key)
        if value is not None and not isinstance(value, list):
            self.wrong(key, "an array")
            return None
        if value is not None and most is not None and len(value) > most:
            message = f"holds {len(value):,} entries; at most {most} are allowed"
            self.problems.error(self.path_of(key), message, value)
            return None
        return value

    def object(self, key: str) -> Fields | None:
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(key, "an object")
            return None
        return self._part(value, self.path_of(key))

    def _part(self, data: dict[str, Any], path: str) -> Fields:
        return Fields(data, path, self.problems)

    def objects(self, key: str, *, most: int | None = None) -> list[Fields | None]:
        """Return the entries of an array of objects; ``None`` where one is something else."""
        return [self.item(key, index) for index in range(len(self.array(key, most=most) or ()))]

    def item(self, key: str, index: int) -> Fields | None:
        """Return one entry of an array of objects."""
        value = self.data[key][index]
        path = f"{self.path_of(key)}[{index}]"
        if isinstance(value, dict):
            return self._part(value, path)
        self.problems.error(path, f"must be an object, is {describe(value)}", value)
        return None

    def unread(self) -> list[str]:
        """Return the keys that were not read."""
        return [key for key in self.data if key not in self._read]

    def note_unread(self) -> None:
        """Report the keys that were not read as unknown."""
        for key in self.unread():
            self.problems.unknown_key(self.path_of(key), self.data[key])


def file_fault(name: Any) -> str:
    """Return why this cannot be the name of a file to render or to send with a job, if so."""
    if not isinstance(name, str) or not 0 < len(name) < LONGEST_PATH or "\0" in name:
        kind = "it is empty" if name == "" else f"is {describe(name)}"
        return f"must be the name of a file, {kind}"
    fault = file_name_fault(bare_name(name))
    return f"the file's name {fault}, is {describe(printable(bare_name(name)))}" if fault else ""


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def as_integer(value: Any) -> int | None:
    """Return the value of a JSON integer (``4`` and ``4.0`` are the same), else ``None``."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"of at most {show_number(high or 0)}"
    if high is None or high == LARGEST_INTEGER:
        return f"of at least {show_number(low)}"
    return f"between {show_number(low)} and {show_number(high)}"
