"""What an error means for a job: what kind of failure it is, and when to retry."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator

from rushes.errors import (
    AdapterError,
    CheckpointError,
    ConfigError,
    ConflictError,
    InputError,
    MissingFileError,
    RushesError,
    ShapeError,
    TimelineError,
    TransientError,
)
from rushes.files.disk import is_full_disk
from rushes_queue.errors import DocumentError
from rushes_queue.jobs.record import FailureKind
from rushes_queue.storage.errors import (
    DamagedBlobError,
    DiskFullError,
    InvalidKeyError,
    MissingKeyError,
)

_LONGEST_DELAY_MS = 600_000
_OUT_OF_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # and a full disk
_ABOUT_FILES = (AdapterError, InputError, MissingFileError, MissingKeyError, DamagedBlobError)
_ABOUT_DOCUMENTS = (
    *(DocumentError, TimelineError, ConfigError, ConflictError),
    *(ShapeError, InvalidKeyError),
)


def kind_of(error: BaseException) -> FailureKind:
    """Return the kind of failure of an error; a cause that the system reports comes first."""
    for each in _with_causes(error):
        is_short = isinstance(each, OSError) and each.errno in _OUT_OF_ROOM
        if is_short or is_full_disk(each):
            return FailureKind.RESOURCE
    # torch's out-of-memory error is recognised by its name, without importing torch.
    if isinstance(error, MemoryError | DiskFullError) or "OutOfMemory" in type(error).__name__:
        return FailureKind.RESOURCE
    if isinstance(error, _ABOUT_FILES):
        return FailureKind.INPUT
    if isinstance(error, _ABOUT_DOCUMENTS):
        return FailureKind.DOCUMENT
    if isinstance(error, CheckpointError):
        return FailureKind.RESOURCE  # of this worker: another may have the weights
    if isinstance(error, TransientError | OSError):
        return FailureKind.INFRASTRUCTURE
    if isinstance(error, RushesError):
        return FailureKind.RESOURCE  # a piece of video that is damaged on this machine
    return FailureKind.BUG


def message_of(error: BaseException) -> str:
    """Return one line for the user."""
    if isinstance(error, RushesError):
        return str(error)
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def delay_ms(num_before: int, first_delay_seconds: float) -> int:
    """Return a random delay: up to the first delay, doubled with every earlier failure."""
    longest = min(first_delay_seconds * 1000 * 2**num_before, _LONGEST_DELAY_MS)
    return round(random.uniform(longest / 2, longest))


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
