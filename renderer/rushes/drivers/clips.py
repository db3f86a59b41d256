"""Clips of a fixed length, each on an empty cache; Self-Forcing, CausVid, Causal-Forcing.

Source: sf: pipeline/causal_inference.py; causvid: minimal_inference; cf: inference.py
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from rushes.drivers.clean_pass import ChunkCache, CleanPass
from rushes.drivers.tail import Tail
from rushes.models.caches.snapshot import Snapshot
from rushes.models.rope import RotaryEmbedding
from rushes.stream.denoise import Denoiser
from rushes.stream.driver import rotary_of
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class Clips:
    """Chunks as with ``CleanPass``; a clip may begin with latents that are given.

    Those are an image's, or the end of the clip before. They are not made, only passed over, as
    clean as they are.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: ChunkCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
        *,
        chunk_frames: int,
        tail: Tail,
    ) -> None:
        self.kv_cache, self._rotary = kv_cache, rotary
        self._chunk_frames, self._tail = chunk_frames, tail
        self._chunks = CleanPass(denoiser, kv_cache, rotary, clock)
        self._write_clean_keys = clock.timed("clean pass", denoiser.write_clean_keys)

    def begin(self, row: Row) -> Tensor:
        given = self._tail.following(self._tail.anchor()) if row.is_carried_over else row.given
        self.kv_cache.reset()
        self._tail.reset()
        if given is None:
            return self.advance(row)
        for start in range(0, given.shape[1], self._chunk_frames):
            frames = given[:, start : start + self._chunk_frames]
            self.kv_cache.begin_chunk(start, frames.shape[1])
            seen = Row(frames, start, (), None, row.embedding, row.prompt)
            self._write_clean_keys(frames, rotary_of([seen], self._rotary), row.prompt)
        self._tail.keep(given)
        return given

    def advance(self, row: Row) -> Tensor:
        clean = self._chunks.advance(row)
        self._tail.keep(clean)
        return clean

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def settle(self) -> None:
        pass

    def remember(self, pixels: Tensor) -> None:
        self._tail.remember(pixels)

    def snapshot(self) -> Snapshot:
        snapshot = Snapshot()
        snapshot.add("kv_cache", self.kv_cache.snapshot())
        snapshot.add("tail", self._tail.snapshot())
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot.part("kv_cache"))
        self._tail.restore(snapshot.part("tail"))
