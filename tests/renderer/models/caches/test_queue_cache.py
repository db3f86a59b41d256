"""The queue cache against the worked examples of the research system, and beside the ring cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from references.slow_queue import Memory, NothingMayGo, Row
from references.stages import move_block
from renders.tiny_caches import BLOCKS, TOKENS, direction, sizes, telling, told
from rushes.drivers.variants import DriverOptions
from rushes.errors import ShapeError
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.caches.ring_cache import RingKVCache

CHUNKS = [2] + [1] * 11


def open_queue(
    window: int = 6, sinks: int = 3, rows: int = 1, num_steps: int = 1, **more: float
) -> QueueKVCache:
    cache = QueueKVCache(sizes(window, rows), sinks=sinks, **more)
    cache.begin_stream(num_steps)
    return cache


def write(
    cache: QueueKVCache | RingKVCache, *values: list[int], block: int | None = None
) -> list[list[int]]:
    """Make one pass over a chunk; return what the queries of the last block see."""
    tokens = telling(list(values))
    blocks = range(BLOCKS) if block is None else [block]
    return [told(cache.write(index, tokens, tokens)) for index in blocks][-1]


def stream(
    cache: QueueKVCache | RingKVCache, chunks: list[int], num_steps: int = 1
) -> list[list[int]]:
    """Return what is seen in every pass; frame 5 says 50 in its first pass, then 51, ..."""
    position, seen = 0, []
    for length in chunks:
        cache.begin_chunk([position], length)
        for step in range(num_steps):
            values = [10 * (position + index) + step for index in range(length)]
            seen.append(write(cache, values)[0])
        position += length
    return seen


@pytest.mark.parametrize("sinks", [0, 1, 3])
def test_with_a_first_chunk_of_two_frames_small_sinks_make_no_difference(sinks: int) -> None:
    seen = stream(open_queue(sinks=sinks), CHUNKS)
    assert seen[-1] == [0, 10, 20, 120, 100, 110]
    assert seen[6] == [0, 10, 20, 60, 70, 50]


@pytest.mark.parametrize("sinks", [0, 1])
def test_with_a_first_chunk_of_one_frame_its_slot_is_permanent(sinks: int) -> None:
    assert stream(open_queue(sinks=sinks), [1] * 12)[-1] == [0, 110, 70, 80, 90, 100]


def test_the_countdown_slips_when_the_window_is_exactly_full() -> None:
    seen = stream(open_queue(num_steps=2), CHUNKS, num_steps=2)
    assert seen[9] == [1, 11, 21, 51, 41, 50]  # chunk 5, second step: a slot of its own
    assert seen[-1] == [1, 11, 21, 120, 121, 110]


def test_frames_go_where_the_ring_cache_puts_them_where_nothing_is_odd() -> None:
    ring = RingKVCache(sizes(), sinks=3)
    assert stream(open_queue(), CHUNKS) == stream(ring, CHUNKS)


def test_three_frame_chunks_take_turns() -> None:
    seen = stream(open_queue(window=9, sinks=0), [3] * 6)
    assert seen[-1] == [0, 10, 20, 150, 160, 170, 120, 130, 140]


def test_slots_that_no_chunk_filled_count_as_seen() -> None:
    seen = stream(open_queue(window=12, sinks=0), [4, 3, 3, 3])
    assert seen[-1][-2:] == [0, 0]


def test_rows_have_queues_of_their_own() -> None:
    cache = open_queue(rows=2, num_steps=2)
    cache.begin_chunk([0], 2)
    write(cache, [0, 1])
    cache.share_first_row()
    for step in range(2, 9):
        cache.begin_chunk([step, max(step - 1, 2)], 1)
        seen = write(cache, [step], [step - 1])
    assert seen == [[0, 1, 2, 6, 7, 8], [0, 1, 2, 6, 7, 5]]
    assert [state.queue for state in cache.states[0]] == [[4, 5, 6], [6, 4, 5]]


def test_all_rows_take_over_what_the_first_knows() -> None:
    cache = open_queue(rows=3)
    cache.begin_chunk([0], 2)
    write(cache, [0, 1])
    cache.share_first_row()
    for states in cache.states:
        assert [(state.queue, state.filled, state.end) for state in states] == [([4], 2, 2)] * 3
        assert len({id(state.queue) for state in states}) == 3


def test_a_sink_that_was_never_written_is_condemned() -> None:
    """The frame that fills the third sink slot queues that slot first: it goes at first need."""
    cache = open_queue(refresh_below=0.2)
    ones = direction(1, 1, 1)
    cache.begin_chunk([0], 2)
    cache.write(0, ones.repeat(1, 2, 1, 1), ones.repeat(1, 2, 1, 1))
    for position in range(2, 7):
        cache.begin_chunk([position], 1)
        cache.write(0, ones, ones)
        if position == 2:
            assert cache.states[0][0].queue == [3, 4]
    assert cache.targets[0] == [3]


def test_a_new_stream_forgets_the_queue() -> None:
    cache = open_queue()
    first = stream(cache, CHUNKS)
    cache.begin_stream(num_steps=1)
    assert stream(cache, CHUNKS) == first


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_restored_cache_goes_on_like_the_one_before(cut: int) -> None:
    cache, other = open_queue(num_steps=2), open_queue()
    position = 0
    for index, length in enumerate(CHUNKS):
        values = list(range(position, position + length))
        if index == cut:
            other.restore(cache.snapshot())
        for each in [cache, other] if index >= cut else [cache]:
            each.begin_chunk([position], length)
        for _ in range(2):
            expected = write(cache, values)
            if index >= cut:
                assert write(other, values) == expected
        position += length


@pytest.mark.parametrize("with_queue", [True, False])
def test_a_block_that_moves_takes_its_frames_along(with_queue: bool) -> None:
    donor, receiver = open_queue(), open_queue()
    stream(donor, CHUNKS)
    move_block(donor, 1, receiver, with_queue=with_queue)
    assert (receiver.states[1] == donor.states[1]) is with_queue
    for cache in (donor, receiver):
        cache.begin_chunk([13], 1)
    if with_queue:
        assert write(receiver, [130], block=1) == write(donor, [130], block=1)


@pytest.mark.parametrize(("window", "chunks"), [(2, [2, 1]), (3, [2, 1, 1])])
def test_a_window_that_is_full_before_anything_may_go_is_refused(
    window: int, chunks: list[int]
) -> None:
    with pytest.raises(ShapeError, match="full before"):
        stream(open_queue(window=window), chunks)


# --- beside the rule written slowly -------------------------------------------------------------


@dataclass
class Both:
    """The cache, and the slow rule with a memory for each row; frames are random directions."""

    options: DriverOptions
    rows: int
    passes: int

    def __post_init__(self) -> None:
        self.random = torch.Generator().manual_seed(self.options.window)
        self.cache = self._new()
        self.begin()

    def _new(self) -> QueueKVCache:
        options = self.options
        cache = QueueKVCache(
            sizes(options.window, self.rows),
            sinks=options.sinks,
            refresh_below=options.sink_refresh,
        )
        cache.begin_stream(self.passes)
        return cache

    def begin(self) -> None:
        self.cache.begin_stream(self.passes)
        self.position = 0
        # Only a single row takes one slot for all passes over a chunk.
        same = self.passes - 1 if self.rows == 1 else 0
        self.slow = [
            Row([Memory(same_target=same) for _ in range(BLOCKS)], self.options, same + 1)
            for _ in range(self.rows)
        ]

    def save(self) -> None:
        before, self.cache = self.cache, self._new()
        self.cache.restore(before.snapshot())

    def chunk(self, length: int) -> None:
        self.cache.begin_chunk([self.position] * self.rows, length)
        for _ in range(self.passes):
            for block in range(BLOCKS):
                self._pass(block, length)
        self.position += length

    def _pass(self, block: int, length: int) -> None:
        k, v = (self._frames(length) for _ in range(2))
        expected = [self._expected(row, block, k, v) for row in range(self.rows)]
        if None in expected:
            with pytest.raises(ShapeError, match=r"full before|does not fit"):
                self.cache.write(block, k, v)
            raise NothingMayGo
        seen = self.cache.write(block, k, v)
        lengths = seen[2] if len(seen) > 2 and seen[2] else [seen[0].shape[1]] * self.rows
        for row, (keys, values) in enumerate(filter(None, expected)):
            assert lengths[row] == len(keys)
            torch.testing.assert_close(seen[0][row, : len(keys)], keys, rtol=0, atol=0)
            torch.testing.assert_close(seen[1][row, : len(keys)], values, rtol=0, atol=0)

    def _frames(self, length: int) -> Tensor:
        one = direction(0, 0, 0).shape[1:]  # [TOKENS, N, D]
        shape = (self.rows, length * one[0], *one[1:])
        return torch.randn(shape, generator=self.random) + 0.5

    def _expected(self, row: int, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor] | None:
        parts = (each[row : row + 1].split(TOKENS, dim=1) for each in (k, v))
        own = list(zip(*parts, strict=True))
        try:
            frames = self.slow[row].see(self.position, block, own)
        except NothingMayGo:
            return None
        keys, values = (torch.cat(each, dim=1)[0] for each in zip(*frames, strict=True))
        return keys, values


EVENTS = st.lists(
    st.one_of(st.integers(1, 3), st.sampled_from(["reset", "rewind", "save"])),
    min_size=4,
    max_size=25,
)


@given(
    events=EVENTS,
    sinks=st.integers(0, 3),
    behind=st.integers(1, 6),
    sink_refresh=st.sampled_from([None, 0.4, 0.9]),
    rows=st.integers(1, 2),
    passes=st.integers(1, 3),
)
@settings(deadline=None, max_examples=40)
def test_frames_go_where_the_slow_rule_puts_them(
    events: list[Any], sinks: int, behind: int, sink_refresh: float | None, rows: int, passes: int
) -> None:
    options = DriverOptions(sinks + behind, sinks, sink_refresh=sink_refresh)
    both = Both(options, rows, passes)
    act: dict[Any, Callable[[], None]] = {"reset": both.begin, "save": both.save}
    for event in events:
        if event == "rewind":
            both.position = min(both.position, both.options.window - 1)
            continue
        try:
            act[event]() if event in act else both.chunk(event)
        except NothingMayGo:
            both.begin()
