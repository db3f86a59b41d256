"""Errors of the storage, and of the disks that it uses."""

from __future__ import annotations

from rushes.errors import RushesError, TransientError


class StorageError(RushesError):
    """The storage holds, or was asked for, something invalid."""


class InvalidKeyError(StorageError):
    """A name that no object in a storage may have."""

    exit_code = 3


class MissingKeyError(StorageError, LookupError):
    """There is no object of this name."""

    exit_code = 4


class DamagedBlobError(StorageError):
    """A blob's content does not match its name."""


class StorageUnreachableError(TransientError):
    """The storage does not answer, or refuses access."""

    exit_code = 5


class StorageBusyError(TransientError):
    """The storage is too busy now."""


class DiskFullError(TransientError):
    """There is no space left in the storage or on a disk of this machine."""
