"""Files that appear under their name complete and durable, or not at all.

These functions raise OSError; ``files.publish`` reports it under the name of a result, and
``storage.whole_files`` of the queue as an error of the storage.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rushes.errors import ConfigError

TEMPORARY_PREFIX = ".rushes-"
SECONDS_OF_A_DAY = 86_400

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def write_whole(
    path: Path,
    write: Callable[[BinaryIO], object],
    *,
    if_absent: bool = False,
    is_durable: bool = True,
) -> bool:
    """Let ``write`` fill a file of another name in the same folder, then give it its name.

    Returns False when ``if_absent`` and the name is taken; of several processes one wins. The umask
    decides the file's permissions, so that others can read a shared storage. Unless ``is_durable``,
    a power cut may lose it.

    Raises: OSError; what ``write`` raises. The unfinished file is removed.
    """
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            write(file)
        if not if_absent:
            give_name(temporary, path, is_durable=is_durable)
            return True
        sync(temporary)
        if not _link(temporary, path):
            return False
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def give_name(temporary: Path, path: Path, *, is_durable: bool = True) -> None:
    """Rename a finished file; an older file of that name is replaced.

    Raises: OSError.
    """
    if is_durable:
        sync(temporary)
    os.replace(temporary, path)
    if is_durable:
        sync_folder(path.parent)


def give_folder_name(temporary: Path, path: Path) -> None:
    """Rename a folder; an older folder of that name is replaced.

    Raises: OSError; then the older folder is back in its place.
    """
    for file in sorted(temporary.iterdir()):
        sync(file)
    if not path.is_dir():
        os.replace(temporary, path)
        return
    old = temporary_beside(path)  # a folder cannot be renamed onto one that is not empty
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def temporary_beside(path: Path) -> Path:
    """Return a new, hidden name in the folder of ``path``."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp")


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably.

    Raises: OSError.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):  # another process was faster
        folder.mkdir()
    sync_folder(folder.parent)


def sync(path: Path) -> None:
    """Flush a file to the disk.

    Raises: OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk, if the file system can.

    Raises: OSError.
    """
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def remove_old_temporaries(folder: Path) -> None:
    """Remove what killed processes left in a folder at least a day ago."""
    for file in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < time.time() - SECONDS_OF_A_DAY:
                file.unlink()


def _link(temporary: Path, path: Path) -> bool:
    """Rename a file only if the name is free."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS may report a link that it made as a failure if the answer was lost.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise ConfigError(
                f"{path.parent}: this file system has no hard links, which a storage needs; use "
                "another folder or an S3 bucket"
            ) from error
        raise
    return True
