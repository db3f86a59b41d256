"""Chunks on their way through the denoising steps: one at a time, or several as rows of a batch.

Source: sdv2: models/wan/causal_stream_inference.py (prepare, inference_wo_batch, inference_stream)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from rushes.models.dit import PATCH, Control, PromptKeys
from rushes.models.kv_cache import RowCache
from rushes.models.rope import RotaryEmbedding
from rushes.stream.denoise import Denoiser


class Noise(Protocol):
    """A chunk's noise, as ``ChunkNoise``."""

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor: ...


@dataclass(frozen=True)
class Row:
    """A chunk between two of its denoising steps.

    Blank rows hold no chunk: they keep the batch whole while it fills and empties. Without
    ``noise`` a row is made noisy again with zeros.

    Shapes:
        latents: [1, T, C, H, W]
        embedding: [1, P, E_text], of which ``prompt`` was made
    """

    latents: Tensor
    position: int
    timesteps: tuple[int, ...]
    noise: Noise | None
    embedding: Tensor
    prompt: PromptKeys
    is_blank: bool = False

    def draw_noise(self) -> Tensor:
        if self.noise is None:
            return torch.zeros_like(self.latents)
        return self.noise.draw(self.latents.device, self.latents.dtype)


class OneByOne:
    """All denoising steps of a chunk at once, on one row."""

    def __init__(self, denoiser: Denoiser, kv_cache: RowCache, rotary: RotaryEmbedding) -> None:
        self._denoiser, self._kv_cache, self._rotary = denoiser, kv_cache, rotary

    def begin(self, row: Row, control: Control | None = None) -> Tensor:
        """Denoise the first chunk of a stream.

        Shapes:
            returns: [1, T, C, H, W]
        """
        self._kv_cache.begin_stream(len(row.timesteps))
        return self.advance(row, control)

    def advance(self, row: Row, control: Control | None = None) -> Tensor:
        """Denoise another chunk; shapes as in ``begin``."""
        num_frames, _, height, width = row.latents.shape[1:]
        self._kv_cache.begin_chunk([row.position], num_frames)
        rotary = self._rotary.factors([row.position], num_frames, height // PATCH, width // PATCH)
        return self._denoiser.denoise(
            row.latents, row.timesteps, row.draw_noise, rotary, row.prompt, control
        )

    def flush(self) -> Iterator[Tensor]:
        """Nothing is ever under way."""
        return iter(())


class StepBatch:
    """One pass for all steps: row i works on step i of the chunk that came i calls earlier.

    Each row has its own part of the cache, so that step i sees the past as it was at step i. With
    several ranks the rows of a pass come back that many calls later: so many are under way.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        kv_cache: RowCache,
        rotary: RotaryEmbedding,
        *,
        chunk_frames: int = 1,
        num_ranks: int = 1,
        shifts_undone: bool = False,
        blank_noise: Noise | None = None,
    ) -> None:
        """``chunk_frames`` are the latent frames of every chunk but the first.

        Until the first rows come back, those behind the first row stay blank, or, with
        ``shifts_undone``, take what the row before had, as in the research system; there
        ``blank_noise`` is drawn for blank rows too.
        """
        self._denoiser, self._kv_cache, self._rotary = denoiser, kv_cache, rotary
        self._chunk_frames, self._num_ranks = chunk_frames, num_ranks
        self._shifts_undone, self._blank_noise = shifts_undone, blank_noise
        self.rows: list[Row] = []  # as they entered the last pass
        self.returned: deque[list[Row]] = deque()  # as they left those that are under way
        self._joined: tuple[list[PromptKeys], PromptKeys] | None = None

    def begin(self, row: Row) -> Tensor:
        """Denoise the first chunk of a stream alone; all rows then go on from there.

        Shapes:
            returns: [1, T, C, H, W]
        """
        clean = OneByOne(self._denoiser, self._kv_cache, self._rotary).begin(row)
        self._kv_cache.share_first_row()
        num_frames = row.latents.shape[1]
        first = replace(row, latents=row.latents[:, : self._chunk_frames])
        self.rows = [self._blank(first, row.position + num_frames)] * len(row.timesteps)
        self.returned.clear()
        self._joined = None
        return clean

    def advance(self, row: Row) -> Tensor | None:
        """Let a chunk in, take every row one step further, let the one that is finished out.

        Shapes:
            returns: [1, T, C, H, W], or None if the last row was blank
        """
        self.rows = [row, *self._rows_before()[:-1]]
        clean = self.predict_clean()
        self.returned.append(self._made_noisy(clean))
        return None if self.rows[-1].is_blank else clean[-1:]

    def flush(self) -> Iterator[Tensor]:
        """Let out all chunks that are under way, blank rows behind them."""
        while any(not row.is_blank for rows in self.returned for row in rows[:-1]):
            clean = self.advance(self._blank(self.rows[0], self.rows[0].position))
            if clean is not None:
                yield clean

    def predict_clean(self) -> Tensor:
        """Make one pass over all rows, each at the step of its place.

        Shapes:
            returns: [B, T, C, H, W]
        """
        latents = torch.cat([row.latents for row in self.rows])  # [B, T, C, H, W]
        num_frames, _, height, width = latents.shape[1:]
        starts = [row.position for row in self.rows]
        self._kv_cache.begin_chunk(starts, num_frames)
        rotary = self._rotary.factors(starts, num_frames, height // PATCH, width // PATCH)
        timesteps = [row.timesteps[step] for step, row in enumerate(self.rows)]
        return self._denoiser.predict_clean(latents, timesteps, rotary, self._prompts())

    def _rows_before(self) -> list[Row]:
        if len(self.returned) == self._num_ranks:
            return self.returned.popleft()
        if self._shifts_undone:
            return [replace(row, is_blank=True) for row in self.rows]
        return [self.rows[-1]] * len(self.rows)  # none has got there yet

    def _made_noisy(self, clean: Tensor) -> list[Row]:
        """Return the rows ready for their next steps; the last one stays clean.

        Shapes:
            clean: [B, T, C, H, W]
        """
        following: list[Row] = []
        for step, (row, latents) in enumerate(zip(self.rows, clean.split(1), strict=True)):
            if step + 1 < len(self.rows):
                latents = self._denoiser.renoise(latents, row.timesteps[step + 1], row.draw_noise())
            following.append(replace(row, latents=latents))
        return following

    def _blank(self, like: Row, position: int) -> Row:
        zeros = torch.zeros_like(like.latents)
        noise = self._blank_noise
        return replace(like, latents=zeros, position=position, noise=noise, is_blank=True)

    def _prompts(self) -> PromptKeys:
        prompts = [row.prompt for row in self.rows]
        known = self._joined
        if known is None or any(a is not b for a, b in zip(known[0], prompts, strict=True)):
            self._joined = known = (prompts, joined(prompts))
        return known[1]


def joined(prompts: Sequence[PromptKeys]) -> PromptKeys:
    """Put the prompts of several rows into one batch.

    Shapes:
        prompts: k and v [1, P, N, D]
        returns: k and v [B, P, N, D]
    """
    by_block = zip(*(prompt.blocks for prompt in prompts), strict=True)
    return PromptKeys(
        tuple(
            (torch.cat([k for k, _ in rows]), torch.cat([v for _, v in rows])) for rows in by_block
        )
    )
