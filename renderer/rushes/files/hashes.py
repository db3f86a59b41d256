"""SHA-256 of files, remembered by size and time so that gigabytes are read once only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rushes.files.publish import write_atomically


def sha256_of(path: Path) -> str:
    """Read a file and return its SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class HashCache:
    """Remembers hashes in one JSON file; an entry holds while the file's size and time do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = self._read()

    def sha256(self, path: Path) -> str:
        """Return the hash of a file, read only if it changed since the last time."""
        status = path.stat()
        key = str(path.resolve())
        state = [status.st_size, status.st_mtime_ns]
        entry = self._entries.get(key)
        if isinstance(entry, dict) and entry.get("state") == state:
            return str(entry["sha256"])
        digest = sha256_of(path)
        self.remember(path, digest)
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Take over a hash that was computed when the file was written."""
        status = path.stat()
        state = [status.st_size, status.st_mtime_ns]
        entry = {"state": state, "sha256": digest}
        self._entries = self._read() | {str(path.resolve()): entry}
        write_atomically(self._path, json.dumps(self._entries, indent=1).encode())

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}
