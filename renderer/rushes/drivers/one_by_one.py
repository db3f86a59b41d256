"""All steps of a chunk on the only row of a ring cache; the last step's keys stay."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from rushes.models.caches.kv_cache import RowCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.rope import RotaryEmbedding
from rushes.stream.denoise import Denoiser
from rushes.stream.driver import rotary_of
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class OneByOne:
    """The research system without batching.

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

    def settle(self) -> None:
        pass

    def remember(self, pixels: Tensor) -> None:
        pass

    def snapshot(self) -> Snapshot:
        return self.kv_cache.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot)
