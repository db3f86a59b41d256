"""How many blocks of the network each rank gets, by what they were measured to take.

A pass goes through the ranks one after another, so a block costs least on the fastest one; but
memory is shared out as well. So the ranks are made as long as each other, and only where that
makes chunks shorter by more than it costs to load other blocks.

Source: sdv2: streamv2v/inference_pipe.py (blocks are scheduled anew by the times of ranks)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LEAST_GAIN = 0.05  # of the time of a chunk; less may be noise of the measurement


@dataclass(frozen=True)
class RankTimes:
    """What a rank takes for a chunk: for each block, in all passes, and beside its blocks.

    ``most`` is how many blocks it has memory for. Units: seconds.
    """

    block: float
    more: float
    most: int


def even_shares(count: int, num_blocks: int) -> list[int]:
    """Return as many blocks for each rank; the last ranks have less, for the last one decodes."""
    share, rest = divmod(num_blocks, count)
    return [share + (rank < rest) for rank in range(count)]


def balanced_shares(times: Sequence[RankTimes], num_blocks: int) -> list[int] | None:
    """Return the blocks of each rank, so that the longest is as short as possible.

    Each has one at least. None where they have no memory for all blocks.
    """
    shares = [1] * len(times)
    while sum(shares) < num_blocks:
        open_ranks = [rank for rank, each in enumerate(times) if shares[rank] < each.most]
        if not open_ranks:
            return None
        chosen = min(open_ranks, key=lambda rank: _seconds(times[rank], shares[rank] + 1))
        shares[chosen] += 1
    return shares


def better_shares(
    times: Sequence[RankTimes],
    now: Sequence[int],
    *,
    num_passes: int,
    num_chunks: int,
    load_seconds: float,
) -> list[int] | None:
    """Return other shares where they save more than it takes to load them; else None."""
    then = balanced_shares(times, sum(now))
    if then is None or then == list(now):
        return None
    before = chunk_seconds(times, now, num_passes)
    saved = before - chunk_seconds(times, then, num_passes)
    pays = saved > _LEAST_GAIN * before and saved * num_chunks > load_seconds
    return then if pays else None


def chunk_seconds(times: Sequence[RankTimes], shares: Sequence[int], num_passes: int) -> float:
    """Return how long a chunk takes: its passes, and what the last rank decodes while others wait.

    It decodes while the first pass of the next chunk goes through the other ranks.
    """
    blocks = [share * each.block for share, each in zip(shares, times, strict=True)]
    ahead = sum(blocks[:-1]) / num_passes
    return times[0].more + sum(blocks) + max(0.0, times[-1].more - ahead)


def ranges_of(shares: Sequence[int]) -> list[range]:
    """Return the blocks of each rank, by index."""
    ends = [sum(shares[: rank + 1]) for rank in range(len(shares))]
    return [range(end - share, end) for end, share in zip(ends, shares, strict=True)]


def _seconds(times: RankTimes, share: int) -> float:
    return times.more + share * times.block
