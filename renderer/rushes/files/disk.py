"""Free space on a disk, and the errors of a full one."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

# No space left; over quota; larger than the file system or the user's limit allows.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full_disk(error: BaseException) -> bool:
    """Say whether an error means that the disk is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def free_bytes(folder: Path) -> int:
    """Return the free space on the disk of a folder, or of its nearest parent that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
