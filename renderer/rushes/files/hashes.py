"""SHA-256 of files, remembered by size and time so that gigabytes are read once only."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rushes.files.json_entries import JsonEntries


def sha256_of(path: Path) -> str:
    """Read a file and return its SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class HashCache:
    """Remembers hashes in one JSON file; an entry holds while the file's size and time do."""

    def __init__(self, path: Path) -> None:
        self._kept = JsonEntries(path)
        self._entries = self._kept.read()

    def sha256(self, path: Path) -> str:
        """Return the hash of a file, read only if it changed since the last time."""
        entry = self._entries.get(str(path.resolve()))
        if isinstance(entry, dict) and entry.get("state") == _state(path):
            return str(entry["sha256"])
        digest = sha256_of(path)
        self.remember(path, digest)
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Take over a hash that was computed when the file was written."""
        name, entry = str(path.resolve()), {"state": _state(path), "sha256": digest}
        self._kept.put(name, entry)
        self._entries[name] = entry


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
