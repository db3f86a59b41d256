"""What can go wrong with the storage, and with the disks on the way to it."""

from __future__ import annotations

from rushes.errors import RushesError, TransientError


class StorageError(RushesError):
    """The storage holds, or was asked for, something that cannot be right."""


class InvalidKeyError(StorageError):
    """A name that no object in a storage may have."""

    exit_code = 3


class MissingKeyError(StorageError, LookupError):
    """There is no object of this name."""

    exit_code = 4


class DamagedBlobError(StorageError):
    """A blob's content is not what its name says."""


class StorageUnreachableError(TransientError):
    """The storage does not answer, or refuses to work for us."""

    exit_code = 5


class StorageBusyError(TransientError):
    """The storage answers that it cannot do this now."""


class DiskFullError(TransientError):
    """There is no room left: in the storage, or on a disk of this machine."""
