"""The ring cache against the plainest model of it: a list of frames from which the oldest goes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from renders.tiny_caches import BLOCKS, Session, direction, sessions, sizes, telling, told
from rushes.errors import ShapeError
from rushes.models.caches.ring_cache import RingKVCache


def open_ring(window: int = 6, sinks: int = 3, rows: int = 1) -> RingKVCache:
    return RingKVCache(sizes(window, rows), sinks=sinks)


def write(cache: RingKVCache, *values: list[int], block: int = 0) -> list[list[int]]:
    tokens = telling(list(values))
    return told(cache.write(block, tokens, tokens))


def stream(cache: RingKVCache, chunks: list[int], passes: int = 1) -> list[int]:
    """Write chunks of these lengths, each frame telling its position; return what is seen."""
    position, seen = 0, []
    for length in chunks:
        cache.begin_chunk([position], length)
        for _ in range(passes):
            (seen,) = write(cache, list(range(position, position + length)))
        position += length
    return seen


@given(sessions())
@settings(deadline=None)
def test_the_sinks_and_the_newest_frames_are_seen(session: Session) -> None:
    cache = open_ring(session.window, session.sinks)
    model: list[tuple[int, int]] = []  # age, value
    position = value = 0
    for length in session.chunks:
        cache.begin_chunk([position], length)
        model += [(position + index, 0) for index in range(length)]
        while len(model) > session.window:
            del model[session.sinks]
        for _ in range(session.passes):
            written = list(range(value + 1, value + 1 + length))
            value += length
            model[-length:] = [
                (age, new) for (age, _), new in zip(model[-length:], written, strict=True)
            ]
            for block in range(BLOCKS):
                (seen,) = write(cache, written, block=block)
                assert sorted(seen) == sorted(new for _, new in model)
        position += length


@pytest.mark.parametrize(
    ("window", "sinks", "chunks", "expected"),
    [
        (6, 3, [2] + [1] * 11, [0, 1, 2, 12, 10, 11]),
        (6, 1, [2] + [1] * 11, [0, 11, 12, 8, 9, 10]),
        (6, 0, [2] + [1] * 11, [12, 7, 8, 9, 10, 11]),
        (9, 3, [3] * 4, [0, 1, 2, 9, 10, 11, 6, 7, 8]),
        (12, 3, [4, 3, 3, 3], [0, 1, 2, 12, 4, 5, 6, 7, 8, 9, 10, 11]),
    ],
)
def test_slots_are_overwritten_in_turn(
    window: int, sinks: int, chunks: list[int], expected: list[int]
) -> None:
    assert stream(open_ring(window, sinks), chunks) == expected
    assert stream(open_ring(window, sinks), chunks, passes=3) == expected


def test_positions_may_go_back_without_moving_the_ring() -> None:
    straight, rewound = open_ring(), open_ring()
    for index in range(12):
        straight.begin_chunk([index], 1)
        rewound.begin_chunk([index % 5 + 2], 1)
        assert write(straight, [index]) == write(rewound, [index])


def test_rows_fill_on_their_own() -> None:
    cache = open_ring(rows=2)
    cache.begin_chunk([0], 2)
    write(cache, [0, 1])
    cache.share_first_row()
    seen = []
    for step in range(2, 9):
        cache.begin_chunk([step, max(step - 1, 2)], 1)
        seen = write(cache, [step], [step - 1])
        if step == 4:
            assert seen == [[0, 1, 2, 3, 4], [0, 1, 2, 3]]
    assert seen == [[0, 1, 2, 6, 7, 8], [0, 1, 2, 6, 7, 5]]


def test_all_rows_go_on_from_the_first() -> None:
    rows = 3
    cache = open_ring(rows=rows)
    cache.begin_chunk([0], 2)
    write(cache, [0, 1])
    cache.share_first_row()
    assert cache.snapshot().values == {"filled": [2] * rows, "starts": [0] * rows}
    cache.begin_chunk([2] * rows, 1)
    assert write(cache, *[[20 + row] for row in range(rows)]) == [
        [0, 1, 20 + row] for row in range(rows)
    ]


def test_a_chunk_that_starts_where_the_last_did_takes_its_slots() -> None:
    cache = open_ring()
    cache.begin_chunk([0], 2)
    write(cache, [0, 1])
    for value in (20, 30):
        cache.begin_chunk([2], 1)
        assert write(cache, [value]) == [[0, 1, value]]


def test_memory_stays_where_it_is_and_shapes_stop_changing() -> None:
    cache = open_ring()
    address, lengths = cache.slots.frames.data_ptr(), []
    for position in range(12):
        cache.begin_chunk([position], 1)
        lengths.append(len(write(cache, [position])[0]))
    assert lengths == [1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6]
    assert cache.slots.frames.data_ptr() == address


def test_a_new_stream_begins_like_the_first() -> None:
    cache = open_ring()
    stream(cache, [2] + [1] * 9)
    cache.begin_stream(num_steps=2)
    assert not cache.slots.frames.any()
    assert stream(cache, [2, 1, 1]) == [0, 1, 2, 3]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_restored_cache_goes_on_like_the_one_before(cut: int) -> None:
    cache, other = open_ring(rows=2), open_ring(rows=2)
    for step in range(12):
        cache.begin_chunk([step, step + 20], 1)
        expected = write(cache, [step], [step + 20])
        if step >= cut:
            other.begin_chunk([step, step + 20], 1)
            assert write(other, [step], [step + 20]) == expected
        if step == cut - 1:
            for block in range(1, BLOCKS):
                write(cache, [step], [step + 20], block=block)
            other.restore(cache.snapshot())


# --- sinks that are renewed ----------------------------------------------------------------------


def full_ring(refresh_below: float) -> RingKVCache:
    """A full window: sinks that point along the three axes, and frames between the first two."""
    cache = RingKVCache(sizes(), sinks=3, refresh_below=refresh_below)
    frames = [direction(*axis) for axis in torch.eye(3).tolist()] + [direction(1, 1, 0)] * 3
    for position, frame in enumerate(frames):
        for block in range(BLOCKS):
            if block == 0:
                cache.begin_chunk([position], 1)
            cache.write(block, frame, frame)
    return cache


def next_target(cache: RingKVCache, position: int, *values: float, block: int = 0) -> int:
    cache.begin_chunk([position], 1)
    cache.write(block, direction(*values), direction(*values))
    return int(cache.targets[block, 0, 0])


def test_a_frame_replaces_the_sink_that_is_least_like_it() -> None:
    cache = full_ring(0.5)
    assert next_target(cache, 6, 1.0, 0.8, -0.2) == 2
    assert next_target(cache, 7, 1.0, 0.1, 0.1) == 1


def test_the_ring_stays_where_it_is_meanwhile() -> None:
    cache = full_ring(0.5)
    next_target(cache, 6, 1.0, 1.0, -1.0)  # renews sink 2
    assert next_target(cache, 7, 1.0, 1.0, 0.0) == 3  # like all sinks, the new one included
    assert next_target(cache, 8, 1.0, 1.0, 0.0) == 4


def test_sinks_like_the_new_frame_stay() -> None:
    assert next_target(full_ring(0.1), 6, 1.0, 0.9, 0.8) == 3


def test_nothing_is_renewed_while_the_window_fills() -> None:
    cache = RingKVCache(sizes(), sinks=3, refresh_below=0.9)
    targets = [
        next_target(cache, position, *axis) for position, axis in enumerate(torch.eye(3).tolist())
    ]
    assert targets == [0, 1, 2]


def test_without_sinks_none_is_renewed() -> None:
    renewing = RingKVCache(sizes(window=3), sinks=0, refresh_below=0.9)
    assert stream(renewing, [1] * 8) == stream(open_ring(window=3, sinks=0), [1] * 8)


def test_all_passes_over_a_chunk_keep_its_slot() -> None:
    cache = full_ring(0.5)
    cache.begin_chunk([6], 1)
    for values in ((1.0, 1.0, -1.0), (-1.0, 1.0, 1.0), (1.0, 1.0, 1.0)):
        cache.write(0, direction(*values), direction(*values))
        assert int(cache.targets[0, 0, 0]) == 2


def test_blocks_decide_for_themselves() -> None:
    cache = full_ring(0.5)
    cache.begin_chunk([6], 1)
    for block, values in enumerate([(1.0, 1.0, -1.0), (1.0, 1.0, 1.0)]):
        cache.write(block, direction(*values), direction(*values))
    assert cache.targets[:, 0, 0].tolist() == [2, 3]


# --- what does not fit ---------------------------------------------------------------------------


def test_a_chunk_longer_than_the_ring_is_refused_when_the_window_is_full() -> None:
    cache = open_ring(window=5, sinks=3)
    cache.begin_chunk([0], 5)
    with pytest.raises(ShapeError, match="3 frames exceeds the window of 5 with 3 sinks"):
        cache.begin_chunk([5], 3)


def test_sinks_must_leave_room() -> None:
    with pytest.raises(ShapeError, match="no room"):
        open_ring(window=3, sinks=3)
