"""A hidden folder beside a result for unfinished files; those left behind are removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from rushes.files.publish import written_as

_PREFIX, _SUFFIX = ".rushes-render-", ".tmp"
_SECONDS_TO_LOCK = 60.0  # a folder this young may not be locked yet


@contextmanager
def hidden_folder(result: Path) -> Iterator[Path]:
    """Yield a folder that exists until the end of the block, locked by this process.

    First removes folders that killed processes left beside the same result: their lock is free.
    Raises: WriteError, under the result's name, when it cannot be made.
    """
    with written_as(result):
        remove_abandoned(result.parent)
        folder = Path(mkdtemp(dir=result.parent, prefix=_PREFIX, suffix=_SUFFIX))
        lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks; the folder is not removed there
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(place: Path) -> None:
    """Remove the hidden folders that no running process has locked."""
    for folder in place.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):  # in use, already gone, or another's
            if time.time() - folder.stat().st_mtime < _SECONDS_TO_LOCK:
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
