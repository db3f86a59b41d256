"""Jobs, inputs and results in a storage: the same operations for a folder and a bucket."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rushes.errors import ConfigError, RushesError
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.source_file import SourceFile

CHECKS = "checks"
LARGEST_READ = 128 * 2**20  # bytes that get_bytes takes into memory


@dataclass(frozen=True)
class Entry:
    """One object in a storage."""

    key: str
    size: int
    modified: datetime  # with its time zone


class Storage(ABC):
    """Objects by key. An object becomes visible whole and durable, or not at all.

    A key names one object (``keys``); a prefix names an object, or a folder with everything below
    it, but never part of a name: ``work/12`` does not include ``work/123``.

    Every operation raises InvalidKeyError for an invalid key; StorageUnreachableError when the
    storage does not answer or refuses to; StorageBusyError when it cannot answer now; and where it
    writes, DiskFullError. An instance may be shared by threads and survives a fork.
    """

    def __init__(self, url: str) -> None:
        self.url = url  # for messages

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def put_file(self, key: str, path: Path) -> None:
        """Store a file of any size, in pieces; replaces an existing object.

        Raises: MissingFileError; InputError when it changes meanwhile; nothing is stored then.
        """
        with SourceFile(path) as source:
            self.put_source(key, source)

    @abstractmethod
    def put_source(self, key: str, source: SourceFile, *, is_private: bool = False) -> None:
        """Store an open file from its start."""

    @abstractmethod
    def put_bytes(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        """Store bytes; returns False when ``if_absent`` and the object exists.

        Of several writers with ``if_absent`` exactly one gets True.
        """

    @abstractmethod
    def get_bytes(self, key: str, max_bytes: int = LARGEST_READ) -> bytes:
        """Return an object's content.

        Raises: MissingKeyError; StorageError when it is larger than ``max_bytes``.
        """

    @abstractmethod
    def get_file(self, key: str, path: Path) -> None:
        """Copy an object into a file, in pieces; the file appears whole and replaces another.

        Raises: MissingKeyError; DiskFullError; InputError when the file cannot be written.
        """

    @abstractmethod
    def entry(self, key: str) -> Entry | None:
        """Return size and time of an object, None when there is none."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects with a prefix, or all, in the order of their keys."""

    @abstractmethod
    def delete(self, prefix: str) -> int:
        """Remove an object, or a folder with everything below it; returns the number of objects."""

    @abstractmethod
    def touch(self, key: str) -> None:
        """Set an object's time to now.

        Raises: MissingKeyError.
        """

    @abstractmethod
    def free_space(self) -> int | None:
        """Return the free bytes, None when unknown."""

    @abstractmethod
    def leftovers(self, before: datetime) -> Iterator[Entry]:
        """Yield the leftovers, with keys of their own, of writes that began before then."""

    @abstractmethod
    def remove_leftover(self, leftover: Entry) -> None:
        """Remove one of them."""

    def exists(self, key: str) -> bool:
        """Say whether an object exists."""
        return self.entry(key) is not None

    def head(self, key: str) -> int:
        """Return an object's size in bytes.

        Raises: MissingKeyError.
        """
        entry = self.entry(key)
        if entry is None:
            raise self.missing(key)
        return entry.size

    def missing(self, key: str) -> MissingKeyError:
        """Return the error for a missing object."""
        return MissingKeyError(f"{key}: is not in the storage {self.url}")

    def check(self) -> None:
        """Test everything that jobs rely on, with one small object.

        Raises: ConfigError when the storage accepts writes but lacks a guarantee.
        """
        key = f"{CHECKS}/{secrets.token_hex(8)}"
        is_created = self.put_bytes(key, b"first", if_absent=True)
        try:
            promises = {
                "a new object can be created once": is_created,
                "and only once": not self.put_bytes(key, b"second", if_absent=True),
                "it reads back as it was written": self.get_bytes(key) == b"first",
                "it has its size": self.head(key) == 5,
                "it is listed": [entry.key for entry in self.list(key)] == [key],
                "it can be deleted": self.delete(key) == 1 and not self.exists(key),
            }
        finally:
            with suppress(RushesError):
                self.delete(key)
        broken = [promise for promise, is_kept in promises.items() if not is_kept]
        if broken:
            raise ConfigError(
                f"storage {self.url} cannot be used; failed checks: {'; '.join(broken)}"
            )
