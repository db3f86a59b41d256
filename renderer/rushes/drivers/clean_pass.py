"""All steps of a chunk, then a pass that leaves its clean keys in a cache; scope's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from rushes.models.caches.kv_cache import KVCache, RollingKVCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys, join_prompts
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.stream.denoise import Denoiser, Pair
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


@dataclass(frozen=True)
class _Pending:
    """A chunk that has been made, and whose clean keys are not in the cache yet.

    Shapes:
        clean: [1, T, C, H, W]
        embedding: [1, P, E_text], of which ``prompt`` was made
    """

    clean: Tensor
    position: int
    embedding: Tensor
    prompt: PromptKeys


class CleanPass:
    """A change of the prompt changes nothing of what is remembered.

    Where the cache has room for two chunks, the clean pass waits for the first step of the next
    chunk, and both are one pass of the network.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/{denoise,clean_kv_cache}.py
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: ChunkCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
        prompt_keys: Callable[[Tensor], PromptKeys] | None = None,
    ) -> None:
        """``prompt_keys`` make those of a pending chunk anew, after a restart."""
        self.kv_cache, self._rotary, self._prompt_keys = kv_cache, rotary, prompt_keys
        self._denoise = clock.timed("denoise", denoiser.denoise)
        self._denoise_behind = clock.timed("denoise", denoiser.denoise_behind)
        self._write_clean_keys = clock.timed("clean pass", denoiser.write_clean_keys)
        self._pair_cache = _pairing(kv_cache) if prompt_keys is not None else None
        self._pending: _Pending | None = None

    def begin(self, row: Row) -> Tensor:
        self._pending = None
        self.kv_cache.reset()
        return self.advance(row)

    def advance(self, row: Row) -> Tensor:
        pair, pending = self._pair_cache, self._pending
        num_frames = row.latents.shape[1]
        is_free = pair is not None and pair.can_pair(num_frames) and row.control is None
        if is_free and pair is not None and pending is not None:
            position = pair.begin_pair(row.position, num_frames)
            return self._finish(row, position, self._behind(pair, pending, row))
        self.settle()
        position = self.kv_cache.begin_chunk(row.position, num_frames)
        rotary = self._factors(row.latents, position)
        clean = self._denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, row.control
        )
        return self._finish(row, position, clean)

    def _finish(self, row: Row, position: int, clean: Tensor) -> Tensor:
        """Leave the clean keys to the next chunk, or write them now."""
        self._pending = _Pending(clean, position, row.embedding, row.prompt)
        if self._pair_cache is None:
            self.settle()
        return clean

    def settle(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            rotary = self._factors(pending.clean, pending.position)
            self._write_clean_keys(pending.clean, rotary, pending.prompt)

    def _behind(self, pair: RollingKVCache, pending: _Pending, row: Row) -> Tensor:
        rotary = self._factors(row.latents, pending.position, row.position)
        # A changed prompt is noticed in the same way before and after a restart.
        before = pending.prompt if row.prompt_changed else row.prompt
        return self._denoise_behind(
            pending.clean,
            row.latents,
            row.timesteps,
            row.draw_noise,
            Pair(rotary, rotary.row(1)),
            Pair(join_prompts((before, row.prompt)), row.prompt),
            pair.end_pair,
        )

    def _factors(self, latents: Tensor, *positions: int) -> RotaryFactors:
        num_frames, _, height, width = latents.shape[1:]
        return self._rotary.factors(positions, num_frames, height // PATCH, width // PATCH)

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def remember(self, pixels: Tensor) -> None:
        pass

    def snapshot(self) -> Snapshot:
        snapshot, pending = self.kv_cache.snapshot(), self._pending
        if pending is not None:
            snapshot.tensors |= {"pending": pending.clean, "pending_embedding": pending.embedding}
            snapshot.values |= {"pending_position": pending.position}
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot)
        self._pending = None
        if "pending" in snapshot.tensors and self._prompt_keys is not None:
            embedding = snapshot.tensors["pending_embedding"]
            self._pending = _Pending(
                snapshot.tensors["pending"],
                snapshot.values["pending_position"],
                embedding,
                self._prompt_keys(embedding),
            )


def _pairing(kv_cache: ChunkCache) -> RollingKVCache | None:
    """Return a cache that can take two chunks in one pass."""
    return kv_cache if isinstance(kv_cache, RollingKVCache) and kv_cache.spare else None
