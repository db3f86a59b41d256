"""The objects of a prompt map, which know what of them nobody read: nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rushes.text import shortened
from rushes.timeline.fields import Fields
from rushes.timeline.problems import ITEM_LIMIT, Problems
from rushes.timeline.steering_words import may_steer, names_media

_WORDS = ("prompt", "positive", "negative", "text")  # keys with one of these hold words


class MapFields(Fields):
    """An object of a prompt map and those inside it that were read."""

    __slots__ = ("_parts",)

    def __init__(self, data: dict[str, Any], path: str, problems: Problems) -> None:
        super().__init__(data, path, problems)
        self._parts: list[MapFields] = []

    def _part(self, data: dict[str, Any], path: str) -> MapFields:
        part = MapFields(data, path, self.problems)
        self._parts.append(part)
        return part

    def report_unread(self) -> None:
        """List once what says more than a timeline can hold, and warn of what is seen or read."""
        lost: list[str] = []
        other: list[str] = []
        for path, key, value in self._all_unread():
            (lost if _is_seen(key, value) else other).append(path)
        if lost:
            message = f"words or pictures that are not converted: {_listed(lost)}"
            self.problems.warn("", message, lost)
        if other:
            self.problems.note("", f"not converted: {_listed(other)}", other)

    def _all_unread(self) -> Iterator[tuple[str, str, Any]]:
        for key in self.unread():
            yield self.path_of(key), key, self.data[key]
        for part in self._parts:
            yield from part._all_unread()


def _is_seen(key: str, value: Any) -> bool:
    """Say whether a key that nobody read may hold words of a prompt, or what steers pictures."""
    if not value:
        return False
    holds_words = any(word in key.lower() for word in _WORDS)
    if (holds_words and isinstance(value, str | list | dict)) or may_steer(key, value):
        return True
    if isinstance(value, dict):
        return any(_is_seen(inner, each) for inner, each in [*value.items()][:64])
    return names_media(value)


def _listed(paths: list[str]) -> str:
    names = ", ".join(shortened(path, 60) for path in paths[:ITEM_LIMIT])
    left_out = len(paths) - ITEM_LIMIT
    return f"{names} and {left_out} more" if left_out > 0 else names
