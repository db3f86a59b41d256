"""A change of the prompt fills the cache again, from the last clean latents; LongLive and MemFlow.

Source: scope: src/scope/core/pipelines/longlive/blocks/recache_frames.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.stream.denoise import Denoiser
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class RecachedCache(KVCache, Protocol):
    """A cache that can be filled again; ``text_keys`` are the prompt's, [1, P, N, D] a block."""

    def reset(self) -> None: ...

    def begin_chunk(self, start: int, count: int, text_keys: Sequence[Tensor]) -> int: ...

    def begin_recache(self, start: int, count: int, text_keys: Sequence[Tensor]) -> int: ...

    def begin_clean_pass(self) -> None: ...

    def snapshot(self) -> Snapshot: ...

    def restore(self, snapshot: Snapshot) -> None: ...


class Recaching:
    """Before a chunk with another prompt, the last frames are passed over under that one."""

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: RecachedCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
        window: int,
    ) -> None:
        """``window`` is how many latent frames are passed over at most."""
        self.kv_cache, self._rotary, self._window = kv_cache, rotary, window
        self._denoise = clock.timed("denoise", denoiser.denoise)
        self._write_clean_keys = clock.timed("clean pass", denoiser.write_clean_keys)
        self._recache = clock.timed("recache", self._pass_over_recent)
        self.recent: Tensor | None = None  # [1, T, C, H, W], the last clean latents

    def begin(self, row: Row) -> Tensor:
        self.kv_cache.reset()
        self.recent = None
        return self.advance(row)

    def advance(self, row: Row) -> Tensor:
        if row.prompt_changed and self.recent is not None:
            self._recache(row, self.recent)
        start = self.kv_cache.begin_chunk(
            row.position, row.latents.shape[1], _text_keys(row.prompt)
        )
        rotary = self._factors(row.latents, start)
        clean = self._denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, row.control
        )
        self.kv_cache.begin_clean_pass()
        self._write_clean_keys(clean, rotary, row.prompt)
        before = () if self.recent is None else (self.recent,)
        self.recent = torch.cat((*before, clean), dim=1)[:, -self._window :]
        return clean

    def _pass_over_recent(self, row: Row, recent: Tensor) -> None:
        count = min(row.position, self._window)
        start = self.kv_cache.begin_recache(row.position - count, count, _text_keys(row.prompt))
        frames = recent[:, -count:]
        self._write_clean_keys(frames, self._factors(frames, start), row.prompt)

    def _factors(self, latents: Tensor, start: int) -> RotaryFactors:
        num_frames, _, height, width = latents.shape[1:]
        return self._rotary.factors([start], num_frames, height // PATCH, width // PATCH)

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def settle(self) -> None:
        pass

    def remember(self, pixels: Tensor) -> None:
        pass

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot()
        snapshot.add("kv_cache", self.kv_cache.snapshot())
        snapshot.add_optional("recent", self.recent)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot.part("kv_cache"))
        self.recent = snapshot.tensors.get("recent")


def _text_keys(prompt: PromptKeys) -> list[Tensor]:
    return [k for k, _ in prompt.blocks]
