"""Wrong settings in one line: each fault with where it comes from, and its value unless secret."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rushes.errors import ConfigError
from rushes.text import printable, shortened
from rushes_queue.broker.connection import hide_password
from rushes_queue.settings.loaded import DEFAULT, Origin, Place, leaves
from rushes_queue.settings.model import SECRETS, Settings


def explain(
    error: ValidationError, merged: Mapping[str, Any], origins: Mapping[Place, Origin]
) -> ConfigError:
    """Return all faults of settings as one error.

    ``merged`` are the values that were validated, ``origins`` where each of them comes from.
    """
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lines = []
    for fault in faults:
        place = _known_part(tuple(map(str, fault["loc"])), origins)
        name = ".".join(place)
        origin = origins.get(place, DEFAULT)
        if fault["type"] == "extra_forbidden":
            lines.append(f"{origin}: there is no setting {printable(name)!r}{_nearest(name)}")
            continue
        value = "" if place[0] in SECRETS else f" is {_short(_at(merged, place))}"
        reason = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{origin}: {name}{value}: {reason}")
    return ConfigError("; ".join(lines), field=str(faults[0]["loc"][0]))


def _known_part(place: Place, origins: Mapping[Place, Origin]) -> Place:
    """Return the setting in which a fault lies, which may be deeper inside."""
    for length in range(len(place), 0, -1):
        if place[:length] in origins:
            return place[:length]
    return place


def _at(data: Any, place: Place) -> Any:
    for name in place:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _short(value: Any) -> str:
    """Return a wrong value as it may be shown; any address may hold a password."""
    if isinstance(value, str | Path):
        value = hide_password(str(value)) if "://" in str(value) else str(value)
    return shortened(printable(repr(value)))


def _nearest(name: str) -> str:
    known = [".".join(place) for place, _ in leaves(Settings())]
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
