"""Names of results in the storage, made from a template such as ``{date}/{timeline}-{job}``."""

from __future__ import annotations

import re
import string
import unicodedata
from datetime import UTC, datetime

from rushes.errors import ConfigError
from rushes_queue.storage.errors import InvalidKeyError
from rushes_queue.storage.keys import check_key

RESULTS = "results"
DEFAULT_TEMPLATE = "{date}/{timeline}-{seed}-{job}"

# Bytes of each value, so that all of them with some text between fit into a file name.
_LONGEST = {"timeline": 64, "preset": 32, "tag": 32}
_FIELDS = ("date", "time", "timeline", "seed", "job", "preset", "tag")
_LONGEST_NAME = 220  # bytes of a part, so that extensions can follow
_NOTHING = {"timeline": "unnamed", "preset": "unnamed", "tag": "untagged"}


def check_template(template: str) -> str:
    """Return the template if it is valid.

    Raises: ConfigError.
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"result template {template!r}: {error}") from error
    for _, field, specification, conversion in pieces:
        if field is not None and field not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise ConfigError(f"result template {template!r}: no field {field!r}; known: {known}")
        if specification or conversion:
            raise ConfigError(f"result template {template!r}: {{{field}}} takes no format")
    longest = {field: "x" * num_bytes for field, num_bytes in _LONGEST.items()}
    name = _fill(
        template,
        longest | {"date": "2026-01-01", "time": "000000", "seed": "9" * 20, "job": "a" * 16},
    )
    try:
        check_key(f"{RESULTS}/{name}")
    except InvalidKeyError as error:
        raise ConfigError(f"result template {template!r}: {error}") from error
    if max(len(part.encode()) for part in name.split("/")) > _LONGEST_NAME:
        raise ConfigError(f"result template {template!r}: the names would be too long")
    return template


def result_key(
    template: str,
    *,
    created_at: datetime,
    timeline: str,
    seed: int,
    job: str,
    preset: str,
    tag: str = "",
) -> str:
    """Return the key of a result, still without extension.

    A template without ``{job}`` gets it at its end, so that two jobs never share a file. Values
    come from users and are reduced to letters, digits and ``._-``. Date and time are UTC.

    Raises: ConfigError as ``check_template``.
    """
    check_template(template)
    created_at = created_at.astimezone(UTC)
    values = {
        "date": f"{created_at:%Y-%m-%d}",
        "time": f"{created_at:%H%M%S}",
        "timeline": _safe("timeline", timeline),
        "seed": str(seed),
        "job": job,
        "preset": _safe("preset", preset),
        "tag": _safe("tag", tag),
    }
    return check_key(f"{RESULTS}/{_fill(template, values)}")


def _fill(template: str, values: dict[str, str]) -> str:
    pieces = list(string.Formatter().parse(template))
    name = "".join(text + (values[field] if field else "") for text, field, _, _ in pieces)
    has_job = any(field == "job" for _, field, _, _ in pieces)
    return name if has_job else f"{name}-{values['job']}"


def _safe(field: str, value: str) -> str:
    """Keep letters, digits and ``._-``, cut to a length, and never start with a dot."""
    kept = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", value))
    kept = re.sub(r"-{2,}", "-", kept).strip(".-")
    cut = kept.encode()[: _LONGEST[field]].decode(errors="ignore").strip(".-")
    return cut or _NOTHING[field]
