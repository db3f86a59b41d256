"""What the errors of a storage mean: the exit code, and whether trying again can help."""

from __future__ import annotations

import pickle

import pytest

from rushes.errors import RushesError
from rushes_queue.storage import errors

KINDS: list[type[RushesError]] = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and kind.__module__ == errors.__name__
]
# Exit code, and whether the same may succeed later.
MEANING = {
    "StorageError": (1, False),
    "InvalidKeyError": (3, False),
    "MissingKeyError": (4, False),
    "DamagedBlobError": (1, False),
    "StorageUnreachableError": (5, True),
    "StorageBusyError": (75, True),
    "DiskFullError": (75, True),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_means_the_same_in_another_process(kind: type[RushesError]) -> None:
    back = pickle.loads(pickle.dumps(kind("jobs/ab: is gone")))
    assert (type(back), str(back)) == (kind, "jobs/ab: is gone")
    assert (back.exit_code, back.retryable) == MEANING[kind.__name__]


def test_a_missing_object_can_be_caught_as_a_failed_lookup() -> None:
    assert issubclass(errors.MissingKeyError, LookupError)
    assert issubclass(errors.MissingKeyError, errors.StorageError)
