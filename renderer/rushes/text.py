"""Text from outside, made safe for terminals."""

from __future__ import annotations

import unicodedata

LONGEST_FILE_NAME = 255  # bytes, of common file systems
TEXT_LIMIT = 80  # characters of a value that a message repeats


def printable(text: str) -> str:
    """Return the text on one line, with control characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def line_fault(text: str) -> str:
    """Return why a text is not one plain line, if so.

    Control characters and halves of surrogate pairs are refused: text like this ends up in file
    names, tables and terminals.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        return "must be one line of text without control characters"
    return ""


def file_name_fault(name: str) -> str:
    """Return why a text is not the name of a file in a folder, if so."""
    if fault := line_fault(name):
        return fault
    if not name or name in (".", "..") or set(name) & set("/\\"):
        return "must be a file name without a folder"
    if len(name.encode()) > LONGEST_FILE_NAME:
        return f"must be at most {LONGEST_FILE_NAME} bytes long"
    return ""


def shortened(text: str, limit: int = TEXT_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def both_ends(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text; of one longer than a limit without its middle."""
    half = (limit - 3) // 2
    return text if len(text) <= limit else f"{text[:half].rstrip()} … {text[-half:].lstrip()}"
