"""Files written whole or not at all, with a full disk as an error of the storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rushes.files import atomic
from rushes.files.disk import free_bytes, is_full_disk
from rushes_queue.storage.errors import DiskFullError


def write_whole(path: Path, write: Callable[[BinaryIO], None], *, if_absent: bool = False) -> bool:
    """Write a file as ``rushes.files.atomic.write_whole`` does.

    Raises: DiskFullError; OSError; what ``write`` raises.
    """
    with refusing_full_disk(path):
        return atomic.write_whole(path, write, if_absent=if_absent)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read.

    Raises: DiskFullError; OSError.
    """

    def write(file: BinaryIO) -> None:
        os.fchmod(file.fileno(), 0o600)
        file.write(text.encode())

    write_whole(path, write)


@contextmanager
def refusing_full_disk(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk into one line that says how full it is.

    Raises: DiskFullError.
    """
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise DiskFullError(
            f"{path}: the disk is full ({free_bytes(path.parent) / 1e6:,.1f} MB free, "
            f"{error.strerror}); free some space there and try again"
        ) from error
