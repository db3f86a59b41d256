"""Room on a disk, and the errors by which the system says that there is none."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

# No space left; over quota; larger than the file system or the user's limit allows.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full_disk(error: BaseException) -> bool:
    """Say whether an error means that there is no room for a file."""
    return isinstance(error, OSError) and error.errno in _FULL


def free_bytes(folder: Path) -> int:
    """Return the room on the disk of a folder, or of the nearest folder above that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
