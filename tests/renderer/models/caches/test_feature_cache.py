"""The feature cache: what a temporal convolution remembers of the frames before a chunk."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache


def frames(*values: int) -> Tensor:
    """Frames of one value each: [1, 1, T, 1, 1]."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, -1, 1, 1)


def values_of(x: Tensor) -> list[float]:
    return x.flatten().tolist()


def test_a_stream_begins_after_zeros() -> None:
    assert values_of(FeatureCache().extend(0, frames(1, 2), 2)) == [0, 0, 1, 2]


def test_a_chunk_follows_the_last_frames_before_it() -> None:
    cache = FeatureCache()
    cache.extend(0, frames(1, 2, 3, 4), 2)
    assert values_of(cache.extend(0, frames(5), 2)) == [3, 4, 5]


def test_a_chunk_shorter_than_the_history_keeps_older_frames() -> None:
    cache = FeatureCache()
    cache.extend(0, frames(1), 2)
    cache.extend(0, frames(2), 2)
    assert values_of(cache.slots[0]) == [1, 2]


def test_slots_are_apart() -> None:
    cache = FeatureCache()
    cache.extend(0, frames(1), 1)
    cache.extend(1, frames(2), 1)
    assert values_of(cache.extend(0, frames(3), 1)) == [1, 3]


def test_what_is_remembered_is_a_copy() -> None:
    cache, x = FeatureCache(), frames(1, 2)
    cache.extend(0, x, 1)
    x.fill_(9)
    assert values_of(cache.slots[0]) == [2]


def test_what_is_remembered_keeps_the_rest_of_the_chunk_in_no_memory() -> None:
    cache = FeatureCache()
    cache.extend(0, frames(*range(100)), 2)
    assert cache.slots[0].untyped_storage().nbytes() == 2 * 4


def test_reset_forgets_frames_size_and_that_there_was_a_call() -> None:
    cache = FeatureCache()
    cache.extend(0, frames(1), 1)
    cache.check_size((8, 8))
    cache.end_call()
    assert not cache.is_first_call
    cache.reset()
    assert cache.is_first_call
    assert not cache.slots
    cache.check_size((16, 8))
    assert values_of(cache.extend(0, frames(2), 1)) == [0, 2]


def test_a_size_that_changes_in_mid_stream_is_refused() -> None:
    cache = FeatureCache()
    cache.check_size(torch.Size((8, 16)))
    cache.check_size((8, 16))
    with pytest.raises(ShapeError, match=r"\(8, 16\) to \(16, 8\)"):
        cache.check_size((16, 8))
