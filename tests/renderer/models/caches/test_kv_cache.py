"""The rolling cache against the plainest model of it: a list of frames from which old ones go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from renders.tiny_caches import BLOCKS, HEADS, TOKENS, WIDTH, Session, sessions, telling, told_by
from rushes.errors import ShapeError
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes


def open_cache(window: int = 6, sinks: int = 3) -> RollingKVCache:
    return RollingKVCache(
        SlotSizes(
            num_blocks=BLOCKS,
            num_heads=HEADS,
            head_dim=WIDTH,
            frame_tokens=TOKENS,
            window=window,
        ),
        sinks=sinks,
    )


def write(cache: RollingKVCache, values: list[int], block: int = 0) -> tuple[list[int], list[int]]:
    """Make one pass of a chunk; return what its queries see, by keys and by values."""
    k, v = cache.write(block, telling([values]), telling([[-value for value in values]]))
    return told_by(k)[0], told_by(v)[0]


@given(sessions())
@settings(deadline=None)
def test_the_cache_is_a_list_whose_oldest_frames_behind_the_sinks_go(session: Session) -> None:
    cache = open_cache(session.window, session.sinks)
    model: list[tuple[int, int]] = []  # position, value
    position = value = 0
    for num_frames in session.chunks:
        cache.begin_chunk(position, num_frames)
        model += [(position + index, 0) for index in range(num_frames)]
        while len(model) > session.window:
            del model[session.sinks]
        for _ in range(session.passes):
            written = list(range(value + 1, value + 1 + num_frames))
            value += num_frames
            model[-num_frames:] = [
                (at, new) for (at, _), new in zip(model[-num_frames:], written, strict=True)
            ]
            for block in range(BLOCKS):
                sign = 1000 * block
                keys, values = write(cache, [sign + new for new in written], block)
                assert keys == [sign + new for _, new in model]
                assert values == [-sign - new for _, new in model]
        assert cache.positions == [at for at, _ in model]
        position += num_frames


@pytest.mark.parametrize(
    ("window", "sinks", "chunks", "expected"),
    [
        (6, 3, [2] + [1] * 11, [0, 1, 2, 10, 11, 12]),
        (6, 1, [2] + [1] * 11, [0, 8, 9, 10, 11, 12]),
        (6, 0, [2] + [1] * 11, [7, 8, 9, 10, 11, 12]),
        (9, 3, [3] * 4, [0, 1, 2, 6, 7, 8, 9, 10, 11]),
        (6, 3, [2] * 4, [0, 1, 2, 5, 6, 7]),
    ],
)
def test_worked_examples_of_the_reference(
    window: int, sinks: int, chunks: list[int], expected: list[int]
) -> None:
    """Source: scope: .../streamdiffusionv2/modules/causal_model.py, run by hand."""
    cache = open_cache(window, sinks)
    position = 0
    for num_frames in chunks:
        cache.begin_chunk(position, num_frames)
        seen, _ = write(cache, list(range(position, position + num_frames)))
        position += num_frames
    assert seen == cache.positions == expected


def test_sink_frames_survive_eviction() -> None:
    cache = open_cache()
    for position in range(50):
        cache.begin_chunk(position, 1)
        seen, _ = write(cache, [position])
    assert seen == [0, 1, 2, 47, 48, 49]


def test_positions_may_go_back_without_moving_the_window() -> None:
    straight, rewound = open_cache(), open_cache()
    for index in range(12):
        straight.begin_chunk(index, 1)
        rewound.begin_chunk(index % 5 + 2, 1)
        assert write(straight, [index]) == write(rewound, [index])


def test_passes_over_one_chunk_rewrite_the_same_slots() -> None:
    cache = open_cache()
    for position in range(8):
        cache.begin_chunk(position, 1)
        for attempt in range(3):
            seen, _ = write(cache, [100 * attempt + position])
            assert seen[-1] == 100 * attempt + position
            assert len(seen) == min(position + 1, 6)
    assert seen == [200, 201, 202, 205, 206, 207]


def test_memory_stays_where_it_is_and_shapes_stop_changing() -> None:
    cache = open_cache()
    address = cache.frames.data_ptr()
    lengths = []
    for position in range(12):
        cache.begin_chunk(position, 1)
        k, _ = cache.write(0, telling([[position]]), telling([[position]]))
        lengths.append(k.shape[1] // TOKENS)
    assert lengths == [1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6]
    assert cache.frames.data_ptr() == address


def test_a_reset_cache_behaves_like_a_new_one() -> None:
    cache = open_cache()
    for position in range(9):
        cache.begin_chunk(position, 1)
        write(cache, [position + 1])
    cache.reset()
    assert cache.positions == []
    assert not cache.frames.any()
    cache.begin_chunk(0, 2)
    assert write(cache, [71, 72]) == ([71, 72], [-71, -72])


def test_a_chunk_longer_than_the_window_is_refused() -> None:
    cache = open_cache(window=2, sinks=0)
    with pytest.raises(ShapeError, match="window of 2"):
        cache.begin_chunk(0, 3)
