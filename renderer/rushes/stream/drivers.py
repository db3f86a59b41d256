"""Who takes a chunk through its denoising steps, and which cache remembers it.

``CleanPass`` is scope's way, ``OneByOne`` that of the research system without batching;
``step_batch`` has the third.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from rushes.models.caches.kv_cache import RollingKVCache, RowCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.dit import PATCH
from rushes.models.rope import RotaryEmbedding, RotaryFactors
from rushes.stream.denoise import Denoiser
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class Driver(Protocol):
    """Turns chunks into clean latents, in order, some calls later if it works on several."""

    def begin(self, row: Row) -> Tensor:
        """Denoise the first chunk of a stream, on an empty cache.

        Shapes:
            returns: [1, T, C, H, W]
        """
        ...

    def advance(self, row: Row) -> Tensor | None:
        """Take in another chunk; return the one that is finished, if one is."""
        ...

    def flush(self) -> Iterator[Tensor]:
        """Finish the chunks that are under way; a new stream or nothing follows."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the cache and all that is under way."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same kind of driver."""
        ...


class CleanPass:
    """All steps of a chunk, then a pass that leaves its clean keys in a rolling cache.

    Source: scope: src/scope/core/pipelines/wan2_1/blocks/{denoise,clean_kv_cache}.py
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: RollingKVCache,
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
        self.kv_cache.begin_chunk(row.position, row.latents.shape[1])
        rotary = rotary_of([row], self._rotary)
        clean = self._denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, row.control
        )
        self._write_clean_keys(clean, rotary, row.prompt)
        return clean

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def snapshot(self) -> Snapshot:
        return self.kv_cache.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot)


class OneByOne:
    """All steps of a chunk, on the only row of a ring cache; the last step's keys stay.

    Source: sdv2: models/wan/causal_stream_inference.py (prepare, inference_wo_batch)
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: RowCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
    ) -> None:
        self.kv_cache, self._rotary = kv_cache, rotary
        self._denoise = clock.timed("denoise", denoiser.denoise)

    def begin(self, row: Row) -> Tensor:
        self.kv_cache.begin_stream(len(row.timesteps))
        return self.advance(row)

    def advance(self, row: Row) -> Tensor:
        self.kv_cache.begin_chunk([row.position], row.latents.shape[1])
        rotary = rotary_of([row], self._rotary)
        return self._denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, row.control
        )

    def flush(self) -> Iterator[Tensor]:
        return iter(())

    def snapshot(self) -> Snapshot:
        return self.kv_cache.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot)


def rotary_of(rows: list[Row], rotary: RotaryEmbedding) -> RotaryFactors:
    """Return the rotary factors of chunks of one shape, each at its position."""
    num_frames, _, height, width = rows[0].latents.shape[1:]
    positions = [row.position for row in rows]
    return rotary.factors(positions, num_frames, height // PATCH, width // PATCH)
