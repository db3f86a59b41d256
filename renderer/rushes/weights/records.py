"""What is known of the files in a models folder: size, hash, and where they came from."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from rushes.files.json_entries import JsonEntries


@dataclass(frozen=True)
class Record:
    """What is known of a file that was downloaded or imported."""

    size: int
    sha256: str
    origin: str  # repository@commit/name, or the file that it was made of

    def revision_of(self, repository: str) -> str | None:
        """Return the commit that it was fetched from, if that was of this repository."""
        place, _, rest = self.origin.partition("@")
        return rest.partition("/")[0] or None if place == repository else None


class Records:
    """The records of all files below a models folder, by their paths; they outlast the files."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._entries = JsonEntries(models_dir / "rushes-hashes.json")

    def get(self, path: Path) -> Record | None:
        """Return what is known of a file, if anything is."""
        entry = self._entries.read().get(self._key(path))
        try:
            return None if entry is None else Record(**entry)
        except TypeError:
            return None

    def put(self, path: Path, record: Record) -> None:
        """Keep what is known of a file.

        Raises: WriteError.
        """
        self._entries.put(self._key(path), asdict(record))

    def _key(self, path: Path) -> str:
        return os.path.relpath(path, self._models_dir)
