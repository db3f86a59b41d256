"""The stream batch of the research system: spread over ranks, with its ways to fill up.

Source: sdv2: streamv2v/inference_pipe.py
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rushes.drivers.step_batch import StepBatch
from rushes.stream.row import Noise, Row


class RankedBatch(StepBatch):
    """With several ranks the rows of a pass come back that many calls later.

    Until then, with ``shifts_undone``, rows take what the row before had; ``blank_noise`` is drawn
    for blank rows too.
    """

    def __init__(
        self,
        *parts: Any,
        num_ranks: int = 1,
        shifts_undone: bool = False,
        blank_noise: Noise | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*parts, **options)
        self._num_ranks, self._shifts_undone = num_ranks, shifts_undone
        self._blank_noise = blank_noise

    def _rows_before(self) -> list[Row]:
        if len(self.returned) == self._num_ranks:
            return self.returned.popleft()
        if self._shifts_undone:
            return [replace(row, is_blank=True) for row in self.rows]
        return [self.rows[-1]] * len(self.rows)

    def _blank(self, like: Row, position: int) -> Row:
        return replace(super()._blank(like, position), noise=self._blank_noise)


def as_ranked(
    batch: StepBatch,
    *,
    num_ranks: int = 1,
    shifts_undone: bool = False,
    blank_noise: Noise | None = None,
) -> RankedBatch:
    """Let the batch of an open stream do as the research system does."""
    batch.__class__ = RankedBatch
    assert isinstance(batch, RankedBatch)
    batch._num_ranks, batch._shifts_undone = num_ranks, shifts_undone
    batch._blank_noise = blank_noise
    return batch
