"""What single streams bring to a pass of the network, as that of one batch.

Each of them brings as many rows as the others, of which so many are clean. In the batch the clean
rows of all streams come first, as the network wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import KVCache, Seen, SeenByRow
from rushes.models.dit import Control
from rushes.models.layers.modulation import StepModulation
from rushes.models.prompt_keys import PromptKeys, join_prompts
from rushes.models.rope import RotaryFactors


@dataclass(frozen=True)
class RowOrder:
    """Which row of which stream each row of a batch is."""

    num_streams: int
    num_rows: int = 1
    num_clean: int = 0

    @property
    def is_mixed(self) -> bool:
        """Whether the rows of a stream do not stay together."""
        return 0 < self.num_clean < self.num_rows

    def rows(self) -> list[tuple[int, int]]:
        """Return stream and row, for each row of the batch."""
        every = [
            (stream, row) for stream in range(self.num_streams) for row in range(self.num_rows)
        ]
        return sorted(every, key=lambda place: place[1] >= self.num_clean)

    def join(self, parts: Sequence[Tensor], dim: int = 0) -> Tensor:
        """Put the rows of all streams into one batch; rows are counted along ``dim``."""
        if not self.is_mixed:
            return torch.cat(list(parts), dim)
        return torch.cat([parts[stream].narrow(dim, row, 1) for stream, row in self.rows()], dim)

    def split(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the rows of each stream: what ``join`` undoes, along the first axis."""
        if not self.is_mixed:
            return batch.chunk(self.num_streams)
        places = {place: index for index, place in enumerate(self.rows())}
        return tuple(
            torch.cat([batch[places[stream, row]][None] for row in range(self.num_rows)])
            for stream in range(self.num_streams)
        )


class JoinedCaches:
    """The caches of single streams as one cache of a batch."""

    def __init__(self, caches: Sequence[KVCache], order: RowOrder) -> None:
        self._caches, self._order = caches, order
        self.rotates_keys = caches[0].rotates_keys

    def write(self, block: int, k: Tensor, v: Tensor | None) -> SeenByRow:
        """Store the rows of each stream in its cache; nothing is copied to join what they see.

        Shapes:
            k, v: [B, S, N, D]
        """
        assert v is not None
        split = self._order.split
        rows = zip(self._caches, split(k), split(v), strict=True)
        seen = tuple(cache.write(block, keys, values) for cache, keys, values in rows)
        if not self._order.is_mixed:
            return SeenByRow(seen)
        by_row = [_by_row(each) for each in seen]
        return SeenByRow(tuple(by_row[stream][row] for stream, row in self._order.rows()))


def _by_row(seen: Seen | SeenByRow) -> list[Seen | SeenByRow]:
    """Take apart what the rows of one stream see."""
    if isinstance(seen, SeenByRow):
        return list(seen.rows)
    k, v, *more = seen
    assert not any(each is not None for each in more), "rows of a pair see keys and values only"
    return list(zip(k.split(1), v.split(1), strict=True))


@dataclass(frozen=True)
class JoinedControls:
    """What steers each row, which branch of a network it may be."""

    controls: Sequence[Control]

    def hints(self, x: Tensor, timestep_modulation: Tensor) -> dict[int, Tensor]:
        """Return the hints of all rows, as ``Control.hints``."""
        count = len(self.controls)
        modulation = timestep_modulation.expand(len(x), *timestep_modulation.shape[1:])
        rows = zip(self.controls, x.chunk(count), modulation.chunk(count), strict=True)
        found = [control.hints(tokens, own) for control, tokens, own in rows]
        return {block: torch.cat([hints[block] for hints in found]) for block in found[0]}


def join_rotary(factors: Sequence[RotaryFactors], order: RowOrder) -> RotaryFactors:
    """Put the factors of single streams into those of a batch."""
    return RotaryFactors(
        order.join([each.cos for each in factors]), order.join([each.sin for each in factors])
    )


def join_modulation(parts: Sequence[StepModulation], order: RowOrder) -> StepModulation:
    """Put the modulation of streams into that of a batch; a single one for all rows stays so."""
    first = parts[0]
    if all(part is first for part in parts) and len(first.timesteps) == 1:
        return first
    rows = (order.num_rows, -1)
    return StepModulation(
        order.join([each.timesteps.expand(rows) for each in parts]),
        order.join([each.common.expand(*rows, -1, -1) for each in parts]),
        order.join([each.blocks.expand(-1, -1, *rows, -1, -1) for each in parts], 2),
        order.join([each.head.expand(-1, *rows, -1, -1) for each in parts], 1),
    )


def join_keys(prompts: Sequence[PromptKeys], order: RowOrder) -> PromptKeys:
    """Put the prompts of streams into those of a batch."""
    if not order.is_mixed:
        return join_prompts(prompts)
    by_block = zip(*(prompt.blocks for prompt in prompts), strict=True)
    return PromptKeys(
        tuple(
            (order.join([k for k, _ in each]), order.join([v for _, v in each]))
            for each in by_block
        )
    )
