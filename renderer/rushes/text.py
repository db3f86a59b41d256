"""Text from outside, made safe for people and their terminals."""

from __future__ import annotations

TEXT_LIMIT = 80  # characters of a value that a message repeats


def printable(text: str) -> str:
    """Return the text on one line, with everything a terminal could obey written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shortened(text: str, limit: int = TEXT_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
