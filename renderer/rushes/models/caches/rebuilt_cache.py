"""Krea Realtime's memory: nothing but a few clean frames, passed over anew before each chunk.

Source: scope: src/scope/core/pipelines/krea_realtime_video/modules/causal_model.py
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from rushes.models.caches.kv_cache import PlacesValues, Seen
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.caches.snapshot import Snapshot
from rushes.models.caches.window import Window

PAD_MULTIPLE = 128  # the reference's kernel works on tiles of so many keys, and sees the filling


class RebuiltCache(PlacesValues):
    """A window that is filled with context frames, then with the chunk behind them.

    ``bias`` is the weight of cached keys in the attention, next to 1 for the first cached frame and
    for the chunk itself. Where it is not 1, keys of zeros fill the last tile and are seen too, as
    in the reference.
    """

    rotates_keys = False

    def __init__(self, sizes: SlotSizes, *, chunk_frames: int, bias: float = 1.0) -> None:
        self.window = Window(sizes, sinks=0)
        self.chunk_frames, self.bias = chunk_frames, bias
        self._is_context = False

    def reset(self) -> None:
        """Forget everything."""
        self.window.reset()

    def begin_context(self, count: int) -> int:
        """Say that a pass over context frames follows, on an empty window."""
        self.window.filled = self.window.end = 0
        self.window.aim(0, count)
        self._is_context = True
        return 0

    def begin_chunk(self, count: int) -> int:
        """Make room for a chunk behind the context; return its position, which is its slot."""
        start = self.window.filled
        self.window.aim(start, count)
        self._is_context = False
        return start

    def value_slot(self, block: int) -> Tensor:
        return self.window.value_slot(block)

    def write(self, block: int, k: Tensor, v: Tensor | None) -> Seen:
        self.window.write(block, k, v)
        keys, values = self.window.read(block, 0, self.window.stop)
        if self._is_context or self.bias == 1:
            return keys, values
        missing = -keys.shape[1] % PAD_MULTIPLE
        padding = (0, 0, 0, 0, 0, missing)
        return (
            functional.pad(keys, padding),
            functional.pad(values, padding),
            None,
            self._key_bias(keys, missing),
        )

    def _key_bias(self, keys: Tensor, missing: int) -> Tensor:
        """Return what is added to the score of each key: [S_kv], float32."""
        tokens = self.window.sizes.frame_tokens
        bias = torch.zeros(keys.shape[1] + missing, device=keys.device)
        bias[tokens : max(tokens, keys.shape[1] - self.chunk_frames * tokens)] = math.log(self.bias)
        return bias

    def snapshot(self) -> Snapshot:
        """Return nothing: the next chunk begins with another context."""
        return Snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Begin with an empty window."""
        self.reset()
