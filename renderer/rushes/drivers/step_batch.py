"""Stream batch: one pass of the network works on several chunks, each at another step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rushes.drivers.one_by_one import OneByOne
from rushes.errors import ConfigError
from rushes.models.caches.kv_cache import RowCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.prompt_keys import PromptKeys, join_prompts
from rushes.models.rope import RotaryEmbedding
from rushes.noise.chunk_noise import ChunkNoise
from rushes.presets.device_classes import DeviceClass
from rushes.stream.denoise import Denoiser
from rushes.stream.driver import rotary_of
from rushes.stream.row import Row
from rushes.stream.stage_clock import StageClock


class StepBatch:
    """Row i of the batch is at step i, with the chunk that came i calls earlier.

    Each row has its own part of the cache, so that step i sees the past as it was at step i. Until
    the first rows come back, those behind the first row stay blank.

    Source: sdv2: models/wan/causal_stream_inference.py (inference_stream),
    streamv2v/inference_pipe.py
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: RowCache,
        rotary: RotaryEmbedding,
        clock: StageClock,
        *,
        prompt_keys: Callable[[Tensor], PromptKeys],
        chunk_frames: int = 1,
        noise_device: DeviceClass | None = None,
    ) -> None:
        """``chunk_frames`` are the latent frames of every chunk but the first.

        ``noise_device`` is what restored rows draw their noise like.
        """
        self.kv_cache = kv_cache
        self._denoiser, self._rotary, self._prompt_keys = denoiser, rotary, prompt_keys
        self._chunk_frames, self._noise_device = chunk_frames, noise_device
        self._first = OneByOne(denoiser, kv_cache, rotary, clock)
        self._predict_clean = clock.timed("denoise", self._pass)
        self.rows: list[Row] = []  # as they entered the last pass
        self.returned: deque[list[Row]] = deque()  # as they left those that are under way
        self._joined: tuple[list[PromptKeys], PromptKeys] | None = None

    def begin(self, row: Row) -> Tensor:
        clean = self._first.begin(row)
        self.kv_cache.share_first_row()
        cut = replace(row, latents=row.latents[:, : self._chunk_frames])
        blank = self._blank(cut, row.position + row.latents.shape[1])
        self.rows = [blank] * len(row.timesteps)
        self.returned.clear()
        self._joined = None
        return clean

    def advance(self, row: Row) -> Tensor | None:
        if row.control is not None:
            raise ConfigError("VACE cannot steer a stream batch; give --sequential instead")
        self.rows = [row, *self._rows_before()[:-1]]
        clean = self._predict_clean()
        self.returned.append(self._made_noisy(clean))
        return None if self.rows[-1].is_blank else clean[-1:]

    def flush(self) -> Iterator[Tensor]:
        while any(not row.is_blank for rows in self.returned for row in rows[:-1]):
            clean = self.advance(self._blank(self.rows[0], self.rows[0].position))
            if clean is not None:
                yield clean

    def settle(self) -> None:
        pass

    def remember(self, pixels: Tensor) -> None:
        pass

    def _rows_before(self) -> list[Row]:
        if self.returned:
            return self.returned.popleft()
        return [self.rows[-1]] * len(self.rows)  # none has got there yet

    def _pass(self) -> Tensor:
        """Run the network over all rows, each at the step of its place.

        Shapes:
            returns: [B, T, C, H, W]
        """
        latents = torch.cat([row.latents for row in self.rows])  # [B, T, C, H, W]
        self.kv_cache.begin_chunk([row.position for row in self.rows], latents.shape[1])
        timesteps = [row.timesteps[step] for step, row in enumerate(self.rows)]
        rotary = rotary_of(self.rows, self._rotary)
        return self._denoiser.predict_clean(latents, timesteps, rotary, self._prompts())

    def _made_noisy(self, clean: Tensor) -> list[Row]:
        """Return the rows ready for their next steps; the last one stays clean.

        Shapes:
            clean: [B, T, C, H, W]
        """
        following: list[Row] = []
        for step, (row, latents) in enumerate(zip(self.rows, clean.split(1), strict=True)):
            if step + 1 < len(self.rows):
                timestep = row.timesteps[step + 1]
                latents = self._denoiser.renoise(latents, timestep, row.draw_noise())
            following.append(replace(row, latents=latents))
        return following

    def _blank(self, like: Row, position: int) -> Row:
        zeros = torch.zeros_like(like.latents)
        return replace(like, latents=zeros, position=position, noise=None, is_blank=True)

    def _prompts(self) -> PromptKeys:
        """Return the prompts of all rows as a batch, joined anew when one has changed."""
        prompts = [row.prompt for row in self.rows]
        known = self._joined
        if known is None or any(a is not b for a, b in zip(known[0], prompts, strict=True)):
            self._joined = known = (prompts, join_prompts(prompts))
        return known[1]

    def snapshot(self) -> Snapshot:
        """Return the cache and the rows; between two calls of a single rank, not of several."""
        rows = self.returned[-1] if self.returned else self.rows
        snapshot = Snapshot(values={"rows": [row.values() for row in rows]})
        snapshot.add("kv_cache", self.kv_cache.snapshot())
        for number, row in enumerate(rows):
            tensors = {"latents": row.latents, "embedding": row.embedding}
            snapshot.add(f"row{number}", Snapshot(tensors))
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        self.kv_cache.restore(snapshot.part("kv_cache"))
        self.rows = [
            self._restored(snapshot.part(f"row{number}").tensors, values)
            for number, values in enumerate(snapshot.values["rows"])
        ]
        self.returned = deque([self.rows])
        self._joined = None

    def _restored(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> Row:
        latents, noise = tensors["latents"], None
        if values["seed"] is not None:
            noise = ChunkNoise(
                values["seed"], tuple(latents.shape), values["drawn"], self._noise_device
            )
        return Row(
            latents=latents,
            position=values["position"],
            timesteps=tuple(values["timesteps"]),
            noise=noise,
            embedding=tensors["embedding"],
            prompt=self._prompt_keys(tensors["embedding"]),
            is_blank=values["is_blank"],
        )
