"""Entries of a JSON file, of what can be found out again: a damaged file counts as empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rushes.files.publish import write_atomically


class JsonEntries:
    """Reads the file anew each time: other processes write it too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any]:
        """Return all entries."""
        try:
            entries = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Add an entry, or replace it.

        Raises: WriteError.
        """
        entries = self.read() | {name: dict(entry)}
        write_atomically(self._path, json.dumps(entries, indent=1, sort_keys=True).encode())
