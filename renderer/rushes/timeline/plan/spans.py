"""Which prompt block is active at which frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from rushes.timeline.document import PromptBlock


@dataclass(frozen=True, slots=True)
class Span:
    """The block that is active from this frame on, until the next span."""

    first_frame: int
    block: PromptBlock


def active_spans(blocks: Sequence[PromptBlock], frames: Sequence[tuple[int, int]]) -> list[Span]:
    """Cut the time axis into spans of one active block each; ``frames`` are those of the blocks.

    Of several blocks that cover a frame the first in the file is active. In a gap the last active
    block holds on; before every block the one with the smallest start is active.
    Source: scope: frontend/src/hooks/useTimelinePlayback.ts; we take blocks as half-open.
    """
    order = sorted(range(len(blocks)), key=lambda index: frames[index][0])
    earliest = min(range(len(blocks)), key=lambda index: blocks[index].start)
    spans = [Span(0, blocks[earliest])]
    covering: list[int] = []  # heap of blocks that have begun, first in the file on top
    num_begun = 0
    for frame in sorted({frame for both in frames for frame in both}):
        while num_begun < len(order) and frames[order[num_begun]][0] <= frame:
            heappush(covering, order[num_begun])
            num_begun += 1
        while covering and frames[covering[0]][1] <= frame:
            heappop(covering)
        if covering and blocks[covering[0]] is not spans[-1].block:
            spans.append(Span(frame, blocks[covering[0]]))
    return spans
