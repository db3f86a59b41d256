"""Files that appear at their name whole and durable, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rushes.errors import ConfigError
from rushes_queue.storage.errors import DiskFullError

TEMPORARY_PREFIX = ".rushes-"
SECONDS_OF_A_DAY = 86_400

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def write_whole(path: Path, write: Callable[[BinaryIO], None], *, if_absent: bool = False) -> bool:
    """Let ``write`` fill a file of another name in the same folder, then give it its name.

    Returns False when ``if_absent`` and the name is taken; of several processes one wins.
    The file has the rights that the umask leaves it, so that others can read a shared storage.

    Raises: DiskFullError; OSError; what ``write`` raises. The unfinished file is removed.
    """
    temporary = temporary_beside(path)
    try:
        with refusing_full_disk(path):
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if if_absent and not _link(temporary, path):
                return False
            if not if_absent:
                os.replace(temporary, path)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole and durable, or not at all.

    Raises: DiskFullError; OSError.
    """

    def write(file: BinaryIO) -> None:
        os.fchmod(file.fileno(), 0o600)
        file.write(text.encode())

    write_whole(path, write)


def temporary_beside(path: Path) -> Path:
    """Return a new name in the folder of ``path``."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp")


@contextmanager
def refusing_full_disk(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk into one line that says how full it is.

    Raises: DiskFullError.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"{path}: the disk is full ({free_bytes(path.parent) / 1e6:,.1f} MB free, "
            f"{error.strerror}); make room there and try again"
        ) from error


def free_bytes(folder: Path) -> int:
    """Return the room on the disk of a folder, or of the nearest folder above that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def make_folder(folder: Path) -> None:
    """Make a folder with all above it, durably.

    Raises: OSError.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):  # another process was faster
        folder.mkdir()
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_old_temporaries(folder: Path) -> None:
    """Remove what processes that were killed left in one folder, a day ago or longer."""
    for file in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < time.time() - SECONDS_OF_A_DAY:
                file.unlink()


def _link(temporary: Path, path: Path) -> bool:
    """Give a file its name only if the name is free."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS may report a link that it made as a failure, when the answer was lost.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise ConfigError(
                f"{path.parent}: this file system has no hard links, which a storage needs; use "
                "another folder or an S3 bucket"
            ) from error
        raise
    return True
