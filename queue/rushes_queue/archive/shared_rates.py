"""What the machines of a farm measured of their renders, in the storage, for estimates of plans."""

from __future__ import annotations

import contextlib
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from rushes.errors import RushesError
from rushes_queue.storage.storage import Storage

_FOLDER = "rates"
_MOST_MACHINES = 1000
_LARGEST = 2**20


def share_rates(storage: Storage, measured: Path) -> None:
    """Store what this machine measured, under its name; a farm goes without if that fails."""
    with contextlib.suppress(RushesError, OSError):
        storage.put_bytes(_key(), measured.read_bytes())


def fetch_rates(storage: Storage) -> Iterator[bytes]:
    """Yield what the other machines of a farm stored.

    Raises: TransientError when the storage is out of reach.
    """
    for number, entry in enumerate(storage.list(_FOLDER)):
        if number < _MOST_MACHINES and entry.key != _key():
            yield storage.get_bytes(entry.key, _LARGEST)


def _key() -> str:
    machine = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node())[:100] or "machine"
    return f"{_FOLDER}/{machine}.json"
