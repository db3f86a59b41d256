"""Whose fault an error is decides whether a job is tried again."""

from __future__ import annotations

import errno

import pytest

from rushes.errors import (
    AdapterError,
    CheckpointError,
    ConfigError,
    InputError,
    ShapeError,
    VideoError,
)
from rushes_queue.errors import BrokerError, DocumentError
from rushes_queue.jobs.failures import delay_ms, kind_of, message_of
from rushes_queue.jobs.record import FailureKind
from rushes_queue.storage.errors import (
    DamagedBlobError,
    DiskFullError,
    MissingKeyError,
    StorageUnreachableError,
)


class OutOfMemoryError(RuntimeError):
    """Called like torch's."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InputError("x"), FailureKind.INPUT),
        (AdapterError("x"), FailureKind.INPUT),
        (MissingKeyError("x"), FailureKind.INPUT),
        (DamagedBlobError("x"), FailureKind.INPUT),
        (DocumentError("x"), FailureKind.DOCUMENT),
        (ConfigError("x"), FailureKind.DOCUMENT),
        (ShapeError("x"), FailureKind.DOCUMENT),
        (DiskFullError("x"), FailureKind.RESOURCE),
        (MemoryError(), FailureKind.RESOURCE),
        (OutOfMemoryError("CUDA"), FailureKind.RESOURCE),
        (CheckpointError("x"), FailureKind.RESOURCE),
        (VideoError("a damaged piece"), FailureKind.RESOURCE),
        (OSError(errno.ENOSPC, "full"), FailureKind.RESOURCE),
        (OSError(errno.EIO, "broken"), FailureKind.INFRASTRUCTURE),
        (StorageUnreachableError("x"), FailureKind.INFRASTRUCTURE),
        (BrokerError("x"), FailureKind.INFRASTRUCTURE),
        (KeyError("x"), FailureKind.BUG),
        (AssertionError(), FailureKind.BUG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
)
def test_each_error_has_its_kind(error: BaseException, kind: FailureKind) -> None:
    assert kind_of(error) is kind


def test_a_full_disk_is_found_behind_another_error() -> None:
    error = VideoError("out.mp4: cannot be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert kind_of(error) is FailureKind.RESOURCE


def test_a_message_is_one_line() -> None:
    assert message_of(InputError("in.mp4: is empty")) == "in.mp4: is empty"
    assert message_of(ValueError("one\ntwo")) == "ValueError: one"
    assert message_of(ValueError()) == "ValueError:"


def test_delays_double_and_have_a_bound() -> None:
    for number in range(12):
        longest = min(1000 * 2**number, 600_000)
        assert longest / 2 <= delay_ms(number, 1.0) <= longest


@pytest.mark.parametrize(("num_before", "longest"), [(0, 3000), (1, 6000), (4, 48_000)])
def test_a_delay_is_half_to_all_of_what_it_may_be(
    monkeypatch: pytest.MonkeyPatch, num_before: int, longest: int
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    assert delay_ms(num_before, 3.0) == longest
    monkeypatch.setattr("random.uniform", lambda least, most: least)
    assert delay_ms(num_before, 3.0) == longest / 2
