"""The memory of a cache that writes frames into numbered slots, for every block and row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import Seen
from rushes.models.caches.slot_sizes import SlotSizes


class Slots:
    """Keys and values by block, row and slot; a batch uses the first rows."""

    def __init__(self, sizes: SlotSizes) -> None:
        self.sizes = sizes
        # [blocks, keys and values, rows, slots, tokens, heads, head width]
        self.frames = sizes.zeros()
        self._rows = torch.arange(sizes.rows, device=sizes.device).unsqueeze(1)  # [B, 1]

    def write(self, block: int, k: Tensor, v: Tensor, slots: Tensor) -> None:
        """Put the frames of a chunk into slots.

        Shapes:
            k, v: [B, S, N, D]
            slots: [B, T], S = T * frame_tokens
        """
        rows = self._rows[: len(slots)]
        for stored, new in zip(self.frames[block], (k, v), strict=True):
            stored[rows, slots] = new.unflatten(1, (slots.shape[1], -1))

    def seen(self, block: int, filled: Sequence[int]) -> Seen:
        """Return the first ``filled`` slots of each row, with the count of tokens if rows differ.

        Shapes:
            returns: k and v [B, S_kv, N, D]
        """
        longest = max(filled)
        k, v = self.frames[block, :, : len(filled), :longest].flatten(2, 3).unbind(0)
        if min(filled) == longest:
            return k, v
        return k, v, [slots * self.sizes.frame_tokens for slots in filled]

    def share_first_row(self) -> None:
        """Copy row 0 to all other rows."""
        self.frames[:, :, 1:] = self.frames[:, :, :1]


def sink_similarity(frames: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Say how much each sink frame is like a new frame, 1 at most; an empty slot gives 0.

    Frames are compared by the means of their tokens: the cosine for keys and for values, averaged.

    Shapes:
        frames: [2, B, sinks, tokens, N, D], keys and values
        k, v: [B, tokens, N, D], of one frame
        returns: [B, sinks]
    Source: sdv2: models/wan/causal_model.py (adaptive sink)
    """
    kept = frames.mean(3).flatten(3)  # [2, B, sinks, E]
    new = torch.stack((k, v)).mean(2).flatten(2).unsqueeze(2)  # [2, B, 1, E]
    return torch.cosine_similarity(kept, new, dim=-1).mean(0)
