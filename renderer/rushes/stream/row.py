"""One chunk on its way through the denoising steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rushes.models.dit import Control
from rushes.models.prompt_keys import PromptKeys
from rushes.noise.chunk_noise import ChunkNoise


class Noise(Protocol):
    """A chunk's noise, as ``ChunkNoise``."""

    def draw(self, device: torch.device, dtype: torch.dtype) -> Tensor: ...


@dataclass(frozen=True)
class Row:
    """A chunk before one of its denoising steps, and all that these run with.

    Blank rows hold no chunk: they keep a batch whole while it fills and empties. Without
    ``noise`` a row is made noisy again with zeros. ``prompt_changed``: the embedding is another
    than the chunk before had. ``given`` latents are shown as they are instead of being made; with
    ``is_carried_over`` they are the end of the clip before, as the driver remembers it.

    Shapes:
        latents, given: [1, T, C, H, W]
        embedding: [1, P, E_text], of which ``prompt`` was made
    """

    latents: Tensor
    position: int
    timesteps: tuple[float, ...]
    noise: Noise | None
    embedding: Tensor
    prompt: PromptKeys
    control: Control | None = None
    is_blank: bool = False
    prompt_changed: bool = False
    given: Tensor | None = None
    is_carried_over: bool = False

    def draw_noise(self) -> Tensor:
        """Return the noise of the next step, shaped as the latents."""
        if self.noise is None:
            return torch.zeros_like(self.latents)
        return self.noise.draw(self.latents.device, self.latents.dtype)

    def values(self) -> dict[str, object]:
        """Return all but the tensors, JSON-safe; noise as its seed and how much of it is used."""
        noise = self.noise if isinstance(self.noise, ChunkNoise) else None
        return {
            "position": self.position,
            "timesteps": list(self.timesteps),
            "seed": noise and noise.seed,
            "drawn": noise and noise.drawn,
            "is_blank": self.is_blank,
        }
