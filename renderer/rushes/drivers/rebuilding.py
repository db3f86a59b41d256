"""The cache is built anew before each chunk, from a few clean latents; Krea Realtime.

Source: scope: src/scope/core/pipelines/krea_realtime_video/blocks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from rushes.drivers.tail import Tail
from rushes.models.caches.rebuilt_cache import RebuiltCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.rope import RotaryEmbedding
from rushes.stream.denoise import Denoiser
from rushes.stream.driver import rotary_of
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class Rebuilding:
    """All steps of a chunk behind its context; a new prompt reaches the context by itself.

    The context begins with the very first latent while that is near, then with a decoded frame
    encoded anew. Positions never grow beyond context and chunk.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: RebuiltCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
        *,
        context_frames: int,
        tail: Tail,
    ) -> None:
        self.kv_cache, self._rotary, self._context_frames = kv_cache, rotary, context_frames
        self._tail = tail
        self._denoise = clock.timed("denoise", denoiser.denoise)
        self._rebuild = clock.timed("rebuild", self._pass_over_context)
        self._write_clean_keys = denoiser.write_clean_keys
        self.first: Tensor | None = None  # [1, 1, C, H, W], the first latent of the stream
        self.context: Tensor | None = None  # of the last chunk, for inspection

    def begin(self, row: Row) -> Tensor:
        self.kv_cache.reset()
        self._tail.reset()
        self.first = self.context = None
        return self.advance(row)

    def advance(self, row: Row) -> Tensor:
        if row.position > 0:
            self._rebuild(row)
        position = self.kv_cache.begin_chunk(row.latents.shape[1])
        rotary = rotary_of([replace(row, position=position)], self._rotary)
        clean = self._denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, row.control
        )
        if self.first is None:
            self.first = clean[:, :1].clone()
        self._tail.keep(clean)
        return clean

    def _pass_over_context(self, row: Row) -> None:
        is_near = row.position - self.kv_cache.chunk_frames < self._context_frames
        assert self.first is not None
        anchor = self.first if is_near else self._tail.anchor()
        self.context = self._tail.following(anchor)
        position = self.kv_cache.begin_context(self.context.shape[1])
        seen = replace(row, latents=self.context, position=position)
        self._write_clean_keys(self.context, rotary_of([seen], self._rotary), row.prompt)

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def settle(self) -> None:
        pass

    def remember(self, pixels: Tensor) -> None:
        self._tail.remember(pixels)

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot()
        snapshot.add("tail", self._tail.snapshot())
        snapshot.add_optional("first", self.first)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.reset()
        self._tail.restore(snapshot.part("tail"))
        self.first = snapshot.tensors.get("first")
