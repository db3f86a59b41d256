"""All steps of a chunk, then a pass that leaves its clean keys in a cache; scope's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.rope import RotaryEmbedding
from rushes.stream.denoise import Denoiser
from rushes.stream.driver import rotary_of
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class ChunkCache(KVCache, Protocol):
    """A cache for one stream that needs to know where a chunk starts, and nothing else."""

    def reset(self) -> None: ...

    def begin_chunk(self, start_frame: int, num_frames: int, /) -> int:
        """Make room for a chunk; return the position that it is turned by."""
        ...

    def snapshot(self) -> Snapshot: ...

    def restore(self, snapshot: Snapshot) -> None: ...


class CleanPass:
    """A change of the prompt changes nothing of what is remembered.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/{denoise,clean_kv_cache}.py
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: ChunkCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
    ) -> None:
        self.kv_cache, self._rotary = kv_cache, rotary
        self._denoise = clock.timed("denoise", denoiser.denoise)
        self._write_clean_keys = clock.timed("clean pass", denoiser.write_clean_keys)

    def begin(self, row: Row) -> Tensor:
        self.kv_cache.reset()
        return self.advance(row)

    def advance(self, row: Row) -> Tensor:
        position = self.kv_cache.begin_chunk(row.position, row.latents.shape[1])
        rotary = rotary_of([replace(row, position=position)], self._rotary)
        clean = self._denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, row.control
        )
        self._write_clean_keys(clean, rotary, row.prompt)
        return clean

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def remember(self, pixels: Tensor) -> None:
        pass

    def snapshot(self) -> Snapshot:
        return self.kv_cache.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot)
