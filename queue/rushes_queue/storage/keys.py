"""Keys of objects in a storage: folders and a name, safe on every back end."""

from __future__ import annotations

from rushes.text import printable, shortened
from rushes_queue.storage.errors import InvalidKeyError

LONGEST_KEY = 700  # bytes; S3 allows 1024, prefix included
LONGEST_SEGMENT = 255  # bytes, of common file systems


def check_key(key: str) -> str:
    """Return the key if it is valid.

    A segment may not start with a dot: ``..`` would lead out, and hidden files are temporary or not
    ours.

    Raises: InvalidKeyError.
    """
    fault = _fault_of(key)
    if fault is not None:
        shown = shortened(printable(key))
        raise InvalidKeyError(f"{shown!r} cannot be a name in the storage: it {fault}")
    return key


def is_key(key: str) -> bool:
    """Say whether this is a valid key."""
    return _fault_of(key) is None


def _fault_of(key: str) -> str | None:
    if not key:
        return "is empty"
    if not key.isprintable():  # also keeps out halves of surrogate pairs
        return "has characters that cannot be printed"
    if "\\" in key:
        return "has a backslash"
    if len(key.encode()) > LONGEST_KEY:
        return f"is longer than {LONGEST_KEY} bytes"
    for segment in key.split("/"):
        if not segment:
            return "starts or ends with a slash, or has two in a row"
        if segment.startswith("."):
            return "has a part that starts with a dot"
        if len(segment.encode()) > LONGEST_SEGMENT:
            return f"has a part of more than {LONGEST_SEGMENT} bytes"
    return None
