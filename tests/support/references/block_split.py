"""Which rank runs which blocks of the network.

Source: sdv2: streamv2v/inference_pipe.py (compute_default_block_distribution),
streamv2v/communication/utils.py (compute_balanced_split)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, cycle, pairwise


def default_split(num_blocks: int, num_ranks: int) -> list[range]:
    """Give every rank as many blocks as the others; with two, the second takes the odd one."""
    each, rest = divmod(num_blocks, num_ranks)
    if num_ranks == 2:
        return _ranges([each, each + rest])
    return _ranges([each + (rank < rest) for rank in range(num_ranks)])


def resplit(
    split: Sequence[range], rank_seconds: Sequence[float], dit_seconds: Sequence[float]
) -> list[range]:
    """Move blocks from ranks that take longer than the mean to those that take less.

    ``rank_seconds`` count all that a rank does for a pass, encoding and decoding too;
    ``dit_seconds`` its blocks alone. With more ranks than blocks nothing changes.
    """
    num_blocks = split[-1].stop
    if len(split) > num_blocks:
        return list(split)
    per_block = sum(dit_seconds) / num_blocks
    mean = sum(rank_seconds) / len(split)
    counts = [
        max(1, round(len(blocks) + (mean - seconds) / per_block))
        for blocks, seconds in zip(split, rank_seconds, strict=True)
    ]
    return _ranges(_brought_to(num_blocks, counts))


def _brought_to(total: int, counts: list[int]) -> list[int]:
    """Add to the smallest counts in turn, or take from the largest, until the total is right."""
    counts = list(counts)
    is_short = sum(counts) < total
    order = sorted(range(len(counts)), key=lambda rank: (counts[rank], rank))
    for rank in cycle(order if is_short else order[::-1]):
        if sum(counts) == total:
            break
        if is_short or counts[rank] > 1:
            counts[rank] += 1 if is_short else -1
    return counts


def _ranges(counts: Sequence[int]) -> list[range]:
    return [range(begin, end) for begin, end in pairwise(accumulate(counts, initial=0))]
