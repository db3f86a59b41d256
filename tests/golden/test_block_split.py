"""Blocks spread over ranks: every block once, in order, and more of them where there is time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from references.block_split import default_split, resplit


@given(st.integers(1, 60), st.integers(1, 8))
def test_the_default_split_covers_all_blocks_evenly(num_blocks: int, num_ranks: int) -> None:
    split = default_split(num_blocks, num_ranks)
    assert [block for blocks in split for block in blocks] == list(range(num_blocks))
    lengths = [len(blocks) for blocks in split]
    assert len(split) == num_ranks
    assert max(lengths) - min(lengths) <= 1


@st.composite
def measured(draw: st.DrawFn) -> tuple[list[range], list[float], list[float]]:
    num_ranks = draw(st.integers(1, 8))
    split = default_split(draw(st.integers(num_ranks, 60)), num_ranks)
    seconds = st.floats(0.01, 100)
    dit_seconds = draw(st.lists(seconds, min_size=num_ranks, max_size=num_ranks))
    rest = draw(st.lists(seconds, min_size=num_ranks, max_size=num_ranks))
    return split, [a + b for a, b in zip(dit_seconds, rest, strict=True)], dit_seconds


@given(measured())
def test_a_new_split_covers_all_blocks_and_leaves_no_rank_idle(
    case: tuple[list[range], list[float], list[float]],
) -> None:
    split, rank_seconds, dit_seconds = case
    found = resplit(split, rank_seconds, dit_seconds)
    assert [block for blocks in found for block in blocks] == list(range(split[-1].stop))
    assert all(found)


def test_a_rank_with_more_to_do_gets_fewer_blocks() -> None:
    assert resplit(default_split(30, 2), [2.0, 1.5], [1.5, 1.5]) == [range(12), range(12, 30)]


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_equal_ranks_keep_what_they_have(num_ranks: int) -> None:
    split = default_split(30, num_ranks)
    assert resplit(split, [1.0] * num_ranks, [0.9] * num_ranks) == split


def test_more_ranks_than_blocks_stay_as_they_are() -> None:
    split = default_split(2, 3)
    assert resplit(split, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]) == split
