"""How blocks are shared out among ranks that take different times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.rendering.processes.balance import (
    RankTimes,
    balanced_shares,
    better_shares,
    chunk_seconds,
    even_shares,
    ranges_of,
)


def ranks(*blocks: float, more: Sequence[float] = (), most: int = 30) -> list[RankTimes]:
    beside = [*more, *[0.0] * (len(blocks) - len(more))]
    return [RankTimes(block, extra, most) for block, extra in zip(blocks, beside, strict=True)]


def test_without_a_measurement_shares_differ_by_one_at_most() -> None:
    assert even_shares(3, 11) == [4, 4, 3]
    assert ranges_of([4, 4, 3]) == [range(4), range(4, 8), range(8, 11)]


def test_a_rank_of_half_the_speed_gets_half_the_blocks() -> None:
    assert balanced_shares(ranks(2, 1, 1), 30) == [6, 12, 12]


def test_who_decodes_has_fewer_blocks() -> None:
    shares = balanced_shares(ranks(1, 1, 1, more=(0, 0, 6)), 30)
    assert shares == [12, 12, 6]


def test_nobody_gets_more_than_fit_into_its_memory() -> None:
    fast, slow = RankTimes(1, 0, 16), RankTimes(4, 0, 30)
    assert balanced_shares([fast, slow], 30) == [16, 14]
    assert balanced_shares([fast, RankTimes(4, 0, 13)], 30) is None


@given(
    st.lists(st.floats(0.01, 10), min_size=2, max_size=5),
    st.floats(0, 20),
    st.integers(8, 40),
)
def test_the_longest_rank_is_as_short_as_can_be(
    blocks: list[float], decoding: float, num_blocks: int
) -> None:
    times = ranks(*blocks, most=num_blocks)
    times[-1] = RankTimes(blocks[-1], decoding, num_blocks)
    shares = balanced_shares(times, num_blocks)
    assert shares is not None
    assert sum(shares) == num_blocks
    assert min(shares) >= 1

    def longest(of: Sequence[int]) -> float:
        return max(each.more + share * each.block for share, each in zip(of, times, strict=True))

    for giver in range(len(blocks)):  # one block moved anywhere makes it no shorter
        for taker in range(len(blocks)):
            if giver != taker and shares[giver] > 1:
                moved = list(shares)
                moved[giver] -= 1
                moved[taker] += 1
                assert longest(moved) >= longest(shares) - 1e-9


@pytest.mark.parametrize(
    ("times", "num_chunks", "expected"),
    [
        (ranks(2, 1), 100, [10, 20]),
        (ranks(2, 1), 1, None),  # loading other blocks takes longer
        (ranks(1.01, 1), 10_000, None),  # noise
        (ranks(1, 1), 10_000, None),
    ],
    ids=["slow", "short", "noise", "alike"],
)
def test_blocks_move_only_where_that_pays(
    times: list[RankTimes], num_chunks: int, expected: list[int] | None
) -> None:
    shares = better_shares(times, [15, 15], num_passes=3, num_chunks=num_chunks, load_seconds=20)
    assert shares == expected


def test_a_chunk_waits_for_the_last_rank_only_as_long_as_it_still_decodes() -> None:
    times = ranks(1, 1, more=(2, 9))
    assert chunk_seconds(times, [12, 3], 3) == 2 + 15 + (9 - 4)
    assert chunk_seconds(ranks(1, 1, more=(2, 3)), [12, 3], 3) == 2 + 15
