"""JSON text into Python data: exact decimals, finite numbers, whole characters, bounded size."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from rushes.timeline.problems import Problems, key_path
from rushes.timeline.read.prompt_lines import CONVERT, looks_like_prompt_map

MAX_BYTES = 16 * 2**20
LONGEST_EXACT_NUMBER = 300  # digits; longer numbers are read as a browser reads them

MALFORMED: Final = object()
"""Returned by ``read_json`` when there is no usable data."""


def read_json(data: str | bytes, problems: Problems) -> Any:
    """Parse a document, or report why it is not JSON and return ``MALFORMED``.

    Fractions come as ``Decimal`` so that time arithmetic is exact. Of a repeated key the last one
    counts, as in a browser. ``NaN``, infinities and halves of surrogate pairs are reported with
    their path while the rest of the document is still read.
    """
    if len(data) > MAX_BYTES:
        problems.error("", f"is over the limit of {MAX_BYTES // 2**20} MiB; split the document")
        return MALFORMED
    text = _decode(data, problems)
    if text is None:
        return MALFORMED
    odd = _Odd(has_surrogates=not _is_whole(text) or "\\ud" in text.lower())
    try:
        document = json.loads(
            text, parse_float=odd.number, parse_int=odd.integer, parse_constant=odd.constant
        )
    except json.JSONDecodeError as error:
        fault = f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
        cure = CONVERT if looks_like_prompt_map(text) else "mend the file or export it again"
        problems.error("", f"is not JSON: {fault}; {cure}")
        return MALFORMED
    except RecursionError:
        problems.error("", "is not usable JSON: its arrays or objects are nested too deeply")
        return MALFORMED
    if odd.has_surrogates or odd.has_infinite:
        _report_odd_values(document, problems)
    return document


def _decode(data: str | bytes, problems: Problems) -> str | None:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    if fault := utf8_fault(data):
        problems.error("", fault)
        return None
    return data.decode("utf-8-sig")


def utf8_fault(data: bytes) -> str:
    """Say where bytes are not UTF-8, or nothing."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        return f"is not UTF-8: line {line}, byte {column}; save it as UTF-8"
    return ""


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Odd:
    """Number hooks that remember whether the document must be searched for unusual values."""

    def __init__(self, *, has_surrogates: bool) -> None:
        self.has_surrogates = has_surrogates
        self.has_infinite = False

    def number(self, text: str) -> Decimal:
        value = float(text)
        if math.isinf(value):
            self.has_infinite = True
            return Decimal(value)
        if value == 0.0 or len(text) > LONGEST_EXACT_NUMBER:
            return Decimal(value)
        return Decimal(text)

    def integer(self, text: str) -> int | Decimal:
        return int(text) if len(text) <= LONGEST_EXACT_NUMBER else self.number(text)

    def constant(self, text: str) -> Decimal:
        self.has_infinite = True
        return Decimal(text)


def _report_odd_values(document: Any, problems: Problems) -> None:
    """Walk the document in order; without recursion, since it may be nested deeply."""
    names: list[str | int] = []
    open_items: list[Iterator[tuple[str | int, Any]]] = [iter([("", document)])]
    while open_items:
        name, value = next(open_items[-1], (None, None))
        if name is None:
            open_items.pop()
            del names[-1:]
            continue
        odd = _what_is_odd(value)
        if odd:
            problems.error(_join([*names, name]), odd, value)
        inside = _items(value)
        if inside is not None:
            names.append(name)
            open_items.append(inside)


def _what_is_odd(value: Any) -> str:
    match value:
        case str() if not _is_whole(value):
            return "holds half of a surrogate pair; write the whole character"
        case dict() if not all(map(_is_whole, value)):
            return "has a key with half of a surrogate pair; write the whole character"
        case Decimal() if not value.is_finite():
            return "is not a finite number (NaN and Infinity are not JSON); write a finite number"
    return ""


def _items(value: Any) -> Iterator[tuple[str | int, Any]] | None:
    match value:
        case dict():
            return iter(value.items())
        case list():
            return iter(enumerate(value))
    return None


def _join(names: list[str | int]) -> str:
    path = ""
    for name in names[1:]:  # the first one is the document itself
        path = f"{path}[{name}]" if isinstance(name, int) else key_path(path, name)
    return path
