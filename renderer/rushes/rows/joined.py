"""What single rows bring to a pass of the network, as that of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import KVCache, SeenByRow
from rushes.models.dit import Control
from rushes.models.rope import RotaryFactors


class JoinedCaches:
    """The caches of single rows, one of each stream, as one cache of a batch."""

    def __init__(self, caches: Sequence[KVCache]) -> None:
        self._caches = caches
        self.rotates_keys = caches[0].rotates_keys

    def write(self, block: int, k: Tensor, v: Tensor | None) -> SeenByRow:
        """Store the row of each stream in its cache; nothing is copied to join what they see.

        Shapes:
            k, v: [B, S, N, D]
        """
        assert v is not None
        count = len(self._caches)
        rows = zip(self._caches, k.chunk(count), v.chunk(count), strict=True)
        return SeenByRow(tuple(cache.write(block, key, value) for cache, key, value in rows))


@dataclass(frozen=True)
class JoinedControls:
    """What steers each row, which branch of a network it may be."""

    controls: Sequence[Control]

    def hints(self, x: Tensor, timestep_modulation: Tensor) -> dict[int, Tensor]:
        """Return the hints of all rows, as ``Control.hints``."""
        count = len(self.controls)
        rows = zip(self.controls, x.chunk(count), timestep_modulation.chunk(count), strict=True)
        found = [control.hints(tokens, modulation) for control, tokens, modulation in rows]
        return {block: torch.cat([hints[block] for hints in found]) for block in found[0]}


def join_rotary(factors: Sequence[RotaryFactors]) -> RotaryFactors:
    """Put the factors of single rows into those of a batch."""
    return RotaryFactors(
        torch.cat([each.cos for each in factors]), torch.cat([each.sin for each in factors])
    )
