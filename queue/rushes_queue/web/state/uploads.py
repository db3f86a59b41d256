"""Files that browsers sent, kept by their hashes until jobs are made of them.

A job's files go into the farm's storage when it is submitted; what was sent and not used goes away
after a day, or sooner where there is too much of it.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import ConfigError, MissingFileError, WriteError
from rushes.files.atomic import SECONDS_OF_A_DAY, give_name, temporary_beside
from rushes.files.disk import is_full_disk
from rushes.text import file_name_fault

_HASH_DIGITS = 64
_TIMES_THE_LARGEST = 4  # an upload: so much is kept in all


@dataclass(frozen=True)
class Upload:
    """A file that was sent: by its hash and size in bytes, and the name it was sent under."""

    sha256: str
    size: int
    name: str


class Uploads:
    """A folder of files by hash; none is larger than ``most_bytes``."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        folder.mkdir(parents=True, exist_ok=True)

    async def take(self, name: str, parts: AsyncIterator[bytes]) -> Upload:
        """Write a body to its end; what comes only in part leaves nothing.

        Raises: ConfigError for a name that no file can have; WriteError when the disk is full;
            what reading the body raises.
        """
        if fault := file_name_fault(name):
            raise ConfigError(f"name: {fault}", field="name")
        self._make_room()
        hasher, size = hashlib.sha256(), 0
        temporary = temporary_beside(self._folder / "upload")
        try:
            with temporary.open("xb") as file:
                async for part in parts:
                    hasher.update(part)
                    size += file.write(part)
            give_name(temporary, self._folder / hasher.hexdigest(), is_durable=False)
        except OSError as error:
            if is_full_disk(error):
                raise WriteError("the disk of the server is full; try a smaller file") from error
            raise
        finally:
            temporary.unlink(missing_ok=True)
        return Upload(hasher.hexdigest(), size, name)

    def path(self, sha256: str) -> Path:
        """Return the file of a hash.

        Raises: MissingFileError when it was not sent, or is gone again.
        """
        is_hash = len(sha256) == _HASH_DIGITS and set(sha256) <= set("0123456789abcdef")
        path = self._folder / sha256
        if not (is_hash and path.is_file()):
            raise MissingFileError(f"upload {sha256[:12]}: is not here any more; send it again")
        with suppress(OSError):
            path.touch()
        return path

    def _make_room(self) -> None:
        """Remove what is older than a day; then the oldest, until the rest is not too much."""
        entries = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                entries.append((path.stat().st_mtime, path.stat().st_size, path))
        left = sum(size for _, size, _ in entries)
        too_old = time.time() - SECONDS_OF_A_DAY
        for modified, size, path in sorted(entries):
            if modified < too_old or left > self._most_bytes * _TIMES_THE_LARGEST:
                with suppress(OSError):
                    path.unlink()
                left -= size


def put_beside(upload: Path, place: Path) -> None:
    """Give an upload a second name, as a link where the file system has any, else as a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.hardlink_to(upload)
    except OSError:
        shutil.copyfile(upload, place)
