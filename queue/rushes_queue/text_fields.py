"""Text that comes from outside and ends up in file names, tables and terminals."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

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


def check_web_address(url: str) -> str:
    """Refuse what is not a web address with a host to which something could be sent.

    Raises: ValueError.
    """
    parts = urlsplit(url)  # raises for brackets that are not an IPv6 address
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that starts with http:// or https://, and a host")
    if any(character.isspace() for character in url):
        raise ValueError("must be a web address without spaces")
    _ = parts.port  # raises for what is not a port
    return url


Line = Annotated[str, AfterValidator(check_line)]
FileName = Annotated[str, AfterValidator(check_file_name)]
