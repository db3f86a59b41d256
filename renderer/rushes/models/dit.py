"""The causal Wan2.1 DiT: predicts the flow of one latent chunk, past frames being in a cache.

Parameter names are those of the public checkpoints (``Wan-AI/Wan2.1-T2V-*`` and the generators
distilled from them), so that a state dict loads without renaming.

Source: sdv2: models/wan/causal_model.py, models/wan/wan_base/modules/model.py;
scope: src/scope/core/pipelines/streamdiffusionv2/modules/{causal_model,model}.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.errors import ShapeError
from rushes.models.attention import attend, attend_seen, without_rows
from rushes.models.attention_layers import Attention, SelfAttention
from rushes.models.caches.kv_cache import KVCache
from rushes.models.layers.modulation import (
    StepModulation,
    add_gated,
    block_modulation,
    head_modulation,
    modulated,
    sinusoidal_embedding,
)
from rushes.models.layers.patches import PATCH, patchify, unpatchify
from rushes.models.prompt_keys import PromptKeys, whole_prompt
from rushes.models.rope import RotaryFactors


@dataclass(frozen=True)
class DitConfig:
    """Sizes of the network, as in the ``config.json`` beside the public base weights.

    Every so many blocks, ``vace_stride``, take a hint of VACE, if that steers.
    """

    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    in_dim: int = 16
    out_dim: int = 16
    text_dim: int = 4096
    text_len: int = 512
    freq_dim: int = 256
    vace_stride: int = 2
    eps: float = 1e-6

    @property
    def head_dim(self) -> int:
        return self.dim // self.num_heads


class Control(Protocol):
    """A branch beside the network that steers it; see ``rushes.models.vace``."""

    def hints(self, x: Tensor, timestep_modulation: Tensor) -> dict[int, Tensor]:
        """Return what is added to the tokens behind each block, by its index.

        Shapes:
            x: [B, S, E], the tokens before the first block
            timestep_modulation: [R, T, 6, E]
            returns: [B, S, E] each
        """
        ...


class Block(nn.Module):
    """One transformer block: cached self-attention, cross-attention to the prompt, feed-forward."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(1, 6, config.dim))
        self.norm1 = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.self_attn = SelfAttention(config.dim, config.head_dim, config.eps)
        self.norm3 = nn.LayerNorm(config.dim, config.eps)
        self.cross_attn = Attention(config.dim, config.head_dim, config.eps)
        self.norm2 = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.ffn = nn.Sequential(
            nn.Linear(config.dim, config.ffn_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.ffn_dim, config.dim),
        )

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: tuple[Tensor, Tensor],
        index: int,
        num_clean: int = 0,
    ) -> Tensor:
        """Apply block ``index`` to the tokens of a chunk.

        The first ``num_clean`` rows end when their keys are in the cache.

        Shapes:
            x: [B, S, E]
            modulation: [6, R, T, 1, E], as in ``StepModulation``
            prompt: k and v [B, P, N, D]
            returns: [B - num_clean, S, E]
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation
        y = modulated(self.norm1, x, shift1, scale1)
        q, seen = self.self_attn.attended(y, rotary, kv_cache, index)
        if num_clean:
            gate1, shift2, scale2, gate2 = (
                _without(rows, num_clean) for rows in (gate1, shift2, scale2, gate2)
            )
            x, q = x[num_clean:], q[num_clean:]
            if not len(x):
                return x
            seen = without_rows(seen, num_clean)
            prompt = prompt[0][num_clean:], prompt[1][num_clean:]
        x = add_gated(x, self.self_attn.project(attend_seen(q, seen)), gate1)

        q = self.cross_attn.query(self.norm3(x))
        x = x + self.cross_attn.project(attend(q, *prompt))

        return add_gated(x, self.ffn(modulated(self.norm2, x, shift2, scale2)), gate2)


def _without(rows: Tensor, num_rows: int) -> Tensor:
    """Leave out the first rows, where there are several: [R, ...]."""
    return rows[num_rows:] if len(rows) > 1 else rows


class Head(nn.Module):
    """Turns tokens into the latent patches of the flow."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.head = nn.Linear(config.dim, config.out_dim * PATCH * PATCH)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Return the patches of every token.

        Shapes:
            x: [B, S, E]
            modulation: [2, R, T, 1, E], as in ``StepModulation``
            returns: [B, S, 4 * C]
        """
        return self.head(modulated(self.norm, x, *modulation))


class CausalDit(nn.Module):
    """The whole network. Rows of a batch may have their own position, timestep and prompt."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embedding = nn.Conv3d(
            config.in_dim, config.dim, (1, PATCH, PATCH), (1, PATCH, PATCH)
        )
        self.text_embedding = nn.Sequential(
            nn.Linear(config.text_dim, config.dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.dim, config.dim),
        )
        self.time_embedding = nn.Sequential(
            nn.Linear(config.freq_dim, config.dim), nn.SiLU(), nn.Linear(config.dim, config.dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(config.dim, 6 * config.dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.head = Head(config)

    def embed_prompt(self, prompt_embedding: Tensor) -> Tensor:
        """Bring a prompt embedding to the width of the network.

        Embeddings shorter than ``text_len`` are padded with zero rows, which take part in the
        attention like all others: there is no mask. They are all alike, so a single one is made;
        ``whole_length`` repeats it.

        Shapes:
            prompt_embedding: [B, P, E_text], P <= text_len
            returns: [B, min(P + 1, text_len), E]
        Raises: ShapeError when there are more rows than ``text_len``.
        """
        missing = self.config.text_len - prompt_embedding.shape[1]
        if missing < 0:
            raise ShapeError(
                f"prompt embedding of {prompt_embedding.shape[1]} tokens exceeds the network's "
                f"{self.config.text_len}"
            )
        padded = functional.pad(prompt_embedding, (0, 0, 0, min(missing, 1)))
        return self.text_embedding(padded)

    def prompt_keys(self, prompt_context: Tensor) -> PromptKeys:
        """Fill a cross-attention cache.

        Shapes:
            prompt_context: [B, P, E], from ``embed_prompt``
        """
        blocks = cast("Iterable[Block]", self.blocks)
        length = self.config.text_len
        return whole_prompt(
            [block.cross_attn.keys_values(prompt_context) for block in blocks], length
        )

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor | StepModulation,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
        num_clean: int = 0,
    ) -> Tensor:
        """Predict the flow (noise minus clean latents) of a chunk.

        The cache must have been told of the chunk (``begin_chunk``); this pass overwrites the
        chunk's slots in it. ``control`` adds hints behind some of the blocks. The first
        ``num_clean`` rows only leave their keys in the cache.

        Shapes:
            latents: [B, T, C, H, W]; H and W even
            timesteps: [B, T], 0 to 1000, or what ``modulation`` made of them
            returns: [B - num_clean, T, C, H, W]
        """
        height, width = latents.shape[-2] // PATCH, latents.shape[-1] // PATCH
        x = self.embed_patches(latents)  # [B, S, E]
        if isinstance(timesteps, Tensor):
            timesteps = self.modulation(timesteps, x.dtype)
        hints = control.hints(x, timesteps.common) if control is not None else {}
        every = range(len(self.blocks))
        x = self.apply_blocks(every, x, timesteps, rotary, kv_cache, prompt, hints, num_clean)
        if not len(x):
            return latents[num_clean:]
        return self.apply_head(x, timesteps, height, width, num_clean)

    def apply_head(
        self, x: Tensor, modulation: StepModulation, height: int, width: int, num_clean: int = 0
    ) -> Tensor:
        """Return the flow of what the last block made; its first ``num_clean`` rows have ended.

        Shapes:
            x: [B - num_clean, S, E]
            returns: [B - num_clean, T, C, 2 * height, 2 * width]
        """
        head = modulation.head
        if num_clean and head.shape[1] > 1:
            head = head[:, num_clean:]
        return unpatchify(self.head(x, head), height, width)

    def apply_blocks(
        self,
        indices: range,
        x: Tensor,
        modulation: StepModulation,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        hints: Mapping[int, Tensor] | None = None,
        num_clean: int = 0,
    ) -> Tensor:
        """Apply some consecutive blocks, and add the hints behind them.

        In the last block of the network the first ``num_clean`` rows end at their keys.

        Shapes:
            x: [B, S, E]
            hints: [B, S, E]
            returns: [B, S, E], or [B - num_clean, S, E] after the last block
        """
        last = len(self.blocks) - 1
        for index in indices:
            ending = num_clean if index == last else 0
            x = self.blocks[index](
                x,
                modulation.blocks[index],
                rotary,
                kv_cache,
                prompt.blocks[index],
                index,
                ending,
            )
            if hints and index in hints and not ending:
                x = x + hints[index]
        return x

    def embed_patches(self, latents: Tensor) -> Tensor:
        """Turn latents into tokens, one per 1x2x2 patch; frame, row, column in this order.

        Shapes:
            latents: [B, T, C, H, W]
            returns: [B, S, E], S = T * H/2 * W/2
        Raises: ShapeError when H or W is odd.
        """
        convolution = self.patch_embedding  # whose patches do not overlap: a product
        return functional.linear(patchify(latents), convolution.weight.flatten(1), convolution.bias)

    def modulation(self, timesteps: Tensor, dtype: torch.dtype) -> StepModulation:
        """Return what timesteps do to all blocks and to the head.

        Shapes:
            timesteps: [R, T]; R and T are 1 where all rows, or frames, have one
        """
        embedding, common = self.embed_timesteps(timesteps, dtype)
        blocks = cast("Iterable[Block]", self.blocks)
        own = [block.modulation[0] for block in blocks]
        every = torch.stack(own) if own else common.new_empty(0, *common.shape[2:])
        return StepModulation(
            timesteps,
            common,
            block_modulation(every, common),
            head_modulation(self.head.modulation, embedding),
        )

    def embed_timesteps(self, timesteps: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the timestep embedding and the modulation that every block adds its own to.

        Shapes:
            timesteps: [B, T]
            returns: [B, T, E] and [B, T, 6, E]
        """
        sinusoid = sinusoidal_embedding(timesteps, self.config.freq_dim).to(dtype)
        embedding = self.time_embedding(sinusoid)
        return embedding, self.time_projection(embedding).unflatten(-1, (6, -1))
