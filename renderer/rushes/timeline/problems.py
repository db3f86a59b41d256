"""Problems of a document, collected so that all of them are reported at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from rushes.text import printable, shortened
from rushes.timeline.steering_words import may_steer, words_of

Severity = Literal["error", "warning", "note"]

ITEM_LIMIT = 8  # entries of an array or object that a report repeats
DEPTH_LIMIT = 3
MOST_OF_A_KIND = 1000  # problems of one severity that are kept; the rest is counted


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault, in the file's own spelling of the field, with its cure in the message."""

    path: str
    message: str
    value: Any = None  # JSON-safe and short
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-safe data."""
        return {
            "path": self.path,
            "message": self.message,
            "value": self.value,
            "severity": self.severity,
        }


class Problems:
    """A growing list of problems and of unknown keys."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._found: dict[Severity, list[Problem]] = {"error": [], "warning": [], "note": []}
        self._num_left_out: Counter[Severity] = Counter()
        self._unknown: list[str] = []

    def __iter__(self) -> Iterator[Problem]:
        for severity, found in self._found.items():
            yield from found
            if left_out := self._num_left_out[severity]:
                yield Problem("", f"and {left_out:,} more of this kind", left_out, severity)

    @property
    def has_errors(self) -> bool:
        return bool(self._found["error"])

    def error(self, path: str, message: str, value: Any = None) -> None:
        self._add("error", path, message, value)

    def warn(self, path: str, message: str, value: Any = None) -> None:
        self._add("warning", path, message, value)

    def note(self, path: str, message: str, value: Any = None) -> None:
        self._add("note", path, message, value)

    def unknown_key(self, path: str, value: Any) -> None:
        """Record an unknown key.

        It is an error in strict mode, or if it may steer the picture: the result would differ from
        the author's.
        """
        key = path.rpartition(".")[2]
        if may_steer(key, value, path):
            message = "may steer the picture and is not understood here; remove it"
            self.error(path, message, value)
            return
        if value and isinstance(value, str | list) and "negative" in words_of(key):
            message = "negative prompts are not offered (no guidance); it has no effect"
            self.warn(path, message, value)
            return
        if self.strict:
            self.error(path, "is an unknown key; remove it, or check without --strict", value)
        else:
            self._unknown.append(path)

    def note_unknown_keys(self) -> None:
        """List the unknown keys once, in one note."""
        if self._unknown:
            names = self._unknown[:ITEM_LIMIT]
            left_out = len(self._unknown) - len(names)
            more = f" and {left_out:,} more" if left_out else ""
            self.note("", f"unknown keys without effect: {', '.join(names)}{more}", names)

    def _add(self, severity: Severity, path: str, message: str, value: Any) -> None:
        found = self._found[severity]
        if len(found) == MOST_OF_A_KIND:
            self._num_left_out[severity] += 1
            return
        value = short_value(value)
        found.append(Problem(path, printable(message), value, severity))


def key_path(path: str, key: str) -> str:
    """Return the path of a key, short and on one line."""
    key = shortened(printable(key), 40)
    return f"{path}.{key}" if path else key


def describe(value: Any) -> str:
    """Name a JSON value in a message: its kind, and the value where it is short.

    >>> describe("0"), describe([]), describe(None)
    ('the string "0"', 'an array', 'null')
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'the string "{shortened(value, 40)}"'
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return show_number(value)


def show_number(value: Decimal | int | float) -> str:
    """Write a number as a person would: no trailing zeros, at most 12 digits."""
    return f"{float(value):.12g}"


def short_value(value: Any, depth: int = 0) -> Any:
    """Return a value as short JSON-safe data."""
    match value:
        case None | bool():
            return value
        case str():
            return shortened(value.encode(errors="backslashreplace").decode())
        case int():
            return value if value.bit_length() < 64 else show_number(value)
        case float() | Decimal():
            number = float(value)
            return number if math.isfinite(number) else str(number)
        case list() | tuple():
            if depth == DEPTH_LIMIT or len(value) > ITEM_LIMIT:
                return f"an array of {len(value):,}"
            return [short_value(item, depth + 1) for item in value]
        case dict():
            if depth == DEPTH_LIMIT or len(value) > ITEM_LIMIT:
                return f"an object of {len(value):,} keys"
            return {short_value(key): short_value(item, depth + 1) for key, item in value.items()}
        case _:
            return shortened(printable(str(value)))
