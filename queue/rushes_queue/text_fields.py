"""Text that comes from outside and ends up in file names, tables and terminals."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from rushes.text import file_name_fault, line_fault


def check_line(text: str) -> str:
    """Refuse text that is not on one line: control characters, halves of surrogate pairs.

    Raises: ValueError.
    """
    if fault := line_fault(text):
        raise ValueError(fault)
    return text


def check_file_name(name: str) -> str:
    """Refuse text that is not a file name.

    Raises: ValueError.
    """
    if fault := file_name_fault(name):
        raise ValueError(fault)
    return name


Line = Annotated[str, AfterValidator(check_line)]
FileName = Annotated[str, AfterValidator(check_file_name)]
