"""The feature cache: what a temporal convolution remembers of the frames before a chunk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def frames(*values: int) -> Tensor:
    """Frames of one value each: [1, T, 1, 1, 1]."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1, 1)


def values_of(x: Tensor) -> list[float]:
    return x.flatten().tolist()


def see(cache: FeatureCache, x: Tensor, num_frames: int, slot: int = 0) -> list[float]:
    """Let a slot see a chunk, as a network does; return what its convolution reads."""
    joined = cache.extend(slot, x, num_frames)
    found = values_of(joined)
    cache.keep(slot, joined, num_frames)
    cache.end_call()
    return found


def test_a_stream_begins_after_zeros() -> None:
    assert see(FeatureCache(), frames(1, 2), 2) == [0, 0, 1, 2]


def test_a_chunk_follows_the_last_frames_before_it() -> None:
    cache = FeatureCache()
    see(cache, frames(1, 2, 3, 4), 2)
    assert see(cache, frames(5), 2) == [3, 4, 5]


@pytest.mark.parametrize("num_frames", [1, 2, 3, 5])
def test_whatever_the_lengths_the_last_frames_come_first(num_frames: int) -> None:
    cache, before = FeatureCache(), [0.0] * num_frames
    for lengths in ((1, 1, 4), (2, 1, 3), (7, 2, 2)):
        for length in lengths:
            chunk = [before[-1] + step + 1 for step in range(length)]
            assert see(cache, frames(*map(int, chunk)), num_frames) == before + chunk
            before = (before + chunk)[-num_frames:]


def test_with_gradients_the_same_is_remembered() -> None:
    with torch.inference_mode(False), torch.enable_grad():
        cache = FeatureCache()
        assert see(cache, frames(1), 2) == [0, 0, 1]
        assert see(cache, frames(2), 2) == [0, 1, 2]
        assert see(cache, frames(3, 4, 5), 2) == [1, 2, 3, 4, 5]


def test_a_chunk_may_be_written_where_it_is_read() -> None:
    cache = FeatureCache()
    joined = cache.extend(0, frames(1, 2), 1, lambda room: room.fill_(7))
    assert values_of(joined) == [0, 7, 7]


def test_slots_are_apart() -> None:
    cache = FeatureCache()
    see(cache, frames(1), 1)
    see(cache, frames(2), 1, slot=1)
    assert see(cache, frames(3), 1) == [1, 3]


def test_what_is_remembered_is_a_copy() -> None:
    cache, x = FeatureCache(), frames(1, 2)
    see(cache, x, 1)
    x.fill_(9)
    assert values_of(cache.slots[0]) == [2]


def test_a_chunk_of_a_call_that_failed_is_forgotten_by_a_reset() -> None:
    cache = FeatureCache()
    cache.keep(0, cache.extend(0, frames(1, 2), 1), 1)
    cache.reset()
    assert see(cache, frames(3, 4), 1) == [0, 3, 4]


def test_a_buffer_has_room_for_the_longest_chunk_and_stays() -> None:
    cache = FeatureCache()
    see(cache, frames(*range(4)), 2)
    address, num_bytes = cache.slots[0].data_ptr(), cache.num_bytes
    assert num_bytes == (2 + 4) * 4
    for chunk in (frames(1), frames(1, 2, 3, 4)):
        see(cache, chunk, 2)
    cache.reset()
    see(cache, frames(1), 2)
    assert (cache.slots[0].data_ptr(), cache.num_bytes) == (address, num_bytes)


def test_a_stream_of_another_size_or_dtype_gets_new_buffers() -> None:
    cache = FeatureCache()
    see(cache, frames(1), 2)
    cache.reset()
    assert see(cache, torch.ones(1, 1, 2, 1, 1), 2) == [0, 0, 0, 0, 1, 1]
    cache.reset()
    assert cache.extend(0, torch.ones(1, 1, 2, 1, 1).bfloat16(), 2).dtype == torch.bfloat16


def test_reset_forgets_frames_size_and_that_there_was_a_call() -> None:
    cache = FeatureCache()
    see(cache, frames(1), 1)
    cache.check_size((8, 8))
    assert not cache.is_first_call
    cache.reset()
    assert cache.is_first_call
    assert not cache.slots
    cache.check_size((16, 8))
    assert see(cache, frames(2), 1) == [0, 2]


def test_a_restored_cache_has_frames_of_its_own() -> None:
    cache, restored = FeatureCache(), FeatureCache()
    see(cache, frames(1, 2), 1)
    restored.restore(cache.snapshot())
    assert not restored.is_first_call
    assert see(cache, frames(3), 1) == [2, 3]
    assert see(restored, frames(4), 1) == [2, 4]


def test_a_size_that_changes_in_mid_stream_is_refused() -> None:
    cache = FeatureCache()
    cache.check_size(torch.Size((8, 16)))
    cache.check_size((8, 16))
    with pytest.raises(ShapeError, match=r"\(8, 16\) to \(16, 8\)"):
        cache.check_size((16, 8))
