"""Text that comes from outside and ends up in file names, tables and terminals."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

LONGEST_FILE_NAME = 255  # bytes, of common file systems


def check_line(text: str) -> str:
    """Refuse text that is not on one line: control characters, halves of surrogate pairs.

    Raises: ValueError.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("must be one line of text without control characters")
    return text


def check_file_name(name: str) -> str:
    """Refuse text that is not a file name.

    Raises: ValueError.
    """
    check_line(name)
    if not name or name in (".", "..") or set(name) & set("/\\"):
        raise ValueError("must be a file name without a folder")
    if len(name.encode()) > LONGEST_FILE_NAME:
        raise ValueError(f"must be at most {LONGEST_FILE_NAME} bytes long")
    return name


Line = Annotated[str, AfterValidator(check_line)]
FileName = Annotated[str, AfterValidator(check_file_name)]
