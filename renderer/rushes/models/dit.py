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
from rushes.models.attention import attend, attend_seen
from rushes.models.caches.kv_cache import KVCache
from rushes.models.rope import RotaryFactors, rotate

PATCH = 2  # latent pixels a side that make one token


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


@dataclass(frozen=True)
class PromptKeys:
    """The cross-attention cache: keys and values of one prompt embedding for every block.

    Shapes:
        each entry: k and v [B, P, N, D]
    """

    blocks: tuple[tuple[Tensor, Tensor], ...]


class Control(Protocol):
    """A branch beside the network that steers it; see ``rushes.models.vace``."""

    def hints(self, x: Tensor, timestep_modulation: Tensor) -> dict[int, Tensor]:
        """Return what is added to the tokens behind each block, by its index.

        Shapes:
            x: [B, S, E], the tokens before the first block
            timestep_modulation: [B, T, 6, E]
            returns: [B, S, E] each
        """
        ...


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis, in float32, rounded before the weight."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (wide * scale).to(x.dtype) * self.weight


class Attention(nn.Module):
    """The projections that self- and cross-attention share."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.q = nn.Linear(config.dim, config.dim)
        self.k = nn.Linear(config.dim, config.dim)
        self.v = nn.Linear(config.dim, config.dim)
        self.o = nn.Linear(config.dim, config.dim)
        self.norm_q = RMSNorm(config.dim, config.eps)
        self.norm_k = RMSNorm(config.dim, config.eps)

    def query(self, x: Tensor) -> Tensor:
        return self._heads(self.norm_q(self.q(x)))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._heads(self.norm_k(self.k(x))), self._heads(self.v(x))

    def project(self, x: Tensor) -> Tensor:
        return self.o(x.flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim))  # [B, S, N, D]


class Block(nn.Module):
    """One transformer block: cached self-attention, cross-attention to the prompt, feed-forward."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(1, 6, config.dim))
        self.norm1 = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.self_attn = Attention(config)
        self.norm3 = nn.LayerNorm(config.dim, config.eps)
        self.cross_attn = Attention(config)
        self.norm2 = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.ffn = nn.Sequential(
            nn.Linear(config.dim, config.ffn_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.ffn_dim, config.dim),
        )

    def forward(
        self,
        x: Tensor,
        timestep_modulation: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: tuple[Tensor, Tensor],
        index: int,
    ) -> Tensor:
        """Apply block ``index`` to the tokens of a chunk.

        Shapes:
            x: [B, S, E]
            timestep_modulation: [B, T, 6, E]
            prompt: k and v [B, P, N, D]
            returns: [B, S, E]
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = (
            self.modulation.unsqueeze(1) + timestep_modulation
        ).unbind(2)  # [B, T, E] each

        y = modulate(self.norm1(x), shift1, scale1)
        q = rotate(self.self_attn.query(y), rotary)
        k, v = self.self_attn.keys_values(y)
        seen = kv_cache.write(index, k if kv_cache.rotates_keys else rotate(k, rotary), v)
        x = x + per_frame_product(self.self_attn.project(attend_seen(q, seen)), gate1)

        q = self.cross_attn.query(self.norm3(x))
        x = x + self.cross_attn.project(attend(q, *prompt))

        y = modulate(self.norm2(x), shift2, scale2)
        return x + per_frame_product(self.ffn(y), gate2)


class Head(nn.Module):
    """Turns tokens into the latent patches of the flow."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, config.eps, elementwise_affine=False)
        self.head = nn.Linear(config.dim, config.out_dim * PATCH * PATCH)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim))

    def forward(self, x: Tensor, timestep_embedding: Tensor) -> Tensor:
        """Return the patches of every token.

        Shapes:
            x: [B, S, E]
            timestep_embedding: [B, T, E]
            returns: [B, S, 4 * C]
        """
        shift, scale = (self.modulation.unsqueeze(1) + timestep_embedding.unsqueeze(2)).unbind(2)
        return self.head(modulate(self.norm(x), shift, scale))


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
        attention like all others: there is no mask.

        Shapes:
            prompt_embedding: [B, P, E_text], P <= text_len
            returns: [B, text_len, E]
        Raises: ShapeError when there are more rows than ``text_len``.
        """
        missing = self.config.text_len - prompt_embedding.shape[1]
        if missing < 0:
            raise ShapeError(
                f"prompt embedding of {prompt_embedding.shape[1]} tokens exceeds the network's "
                f"{self.config.text_len}"
            )
        padded = functional.pad(prompt_embedding, (0, 0, 0, missing))
        return self.text_embedding(padded)  # [B, text_len, E]

    def prompt_keys(self, prompt_context: Tensor) -> PromptKeys:
        """Fill a cross-attention cache.

        Shapes:
            prompt_context: [B, P, E], from ``embed_prompt``
        """
        blocks = cast("Iterable[Block]", self.blocks)
        return PromptKeys(tuple(block.cross_attn.keys_values(prompt_context) for block in blocks))

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        control: Control | None = None,
    ) -> Tensor:
        """Predict the flow (noise minus clean latents) of a chunk.

        The cache must have been told of the chunk (``begin_chunk``); this pass overwrites the
        chunk's slots in it. ``control`` adds hints behind some of the blocks.

        Shapes:
            latents: [B, T, C, H, W]; H and W even
            timesteps: [B, T], 0 to 1000
            returns: [B, T, C, H, W]
        """
        height, width = latents.shape[-2] // PATCH, latents.shape[-1] // PATCH
        x = self.embed_patches(latents)  # [B, S, E]
        timestep_embedding, timestep_modulation = self.embed_timesteps(timesteps, x.dtype)
        hints = control.hints(x, timestep_modulation) if control is not None else {}
        every = range(len(self.blocks))
        x = self.apply_blocks(every, x, timestep_modulation, rotary, kv_cache, prompt, hints)
        return unpatchify(self.head(x, timestep_embedding), height, width)

    def apply_blocks(
        self,
        indices: range,
        x: Tensor,
        timestep_modulation: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        hints: Mapping[int, Tensor] | None = None,
    ) -> Tensor:
        """Apply some consecutive blocks, and add the hints behind them.

        Shapes:
            x: [B, S, E]
            timestep_modulation: [B, T, 6, E]
            hints, returns: [B, S, E]
        """
        for index in indices:
            block = self.blocks[index]
            x = block(x, timestep_modulation, rotary, kv_cache, prompt.blocks[index], index)
            if hints and index in hints:
                x = x + hints[index]
        return x

    def embed_patches(self, latents: Tensor) -> Tensor:
        """Turn latents into tokens, one per 1x2x2 patch; frame, row, column in this order.

        Shapes:
            latents: [B, T, C, H, W]
            returns: [B, S, E], S = T * H/2 * W/2
        Raises: ShapeError when H or W is odd.
        """
        height, width = latents.shape[-2:]
        if height % PATCH or width % PATCH:
            raise ShapeError(f"latent size {width}x{height} is odd; use multiples of 16 pixels")
        x = self.patch_embedding(latents.transpose(1, 2))  # [B, E, T, H/2, W/2]
        return x.flatten(2).transpose(1, 2)  # [B, S, E]

    def embed_timesteps(self, timesteps: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the timestep embedding and the modulation that every block adds its own to.

        Shapes:
            timesteps: [B, T]
            returns: [B, T, E] and [B, T, 6, E]
        """
        sinusoid = sinusoidal_embedding(timesteps, self.config.freq_dim).to(dtype)
        embedding = self.time_embedding(sinusoid)
        return embedding, self.time_projection(embedding).unflatten(-1, (6, -1))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale and shift the tokens of every frame.

    Shapes:
        x: [B, S, E]
        shift, scale: [B, T, E]
        returns: [B, S, E]
    """
    frames = x.unflatten(1, (shift.shape[1], -1))  # [B, T, S/T, E]
    return (frames * (1 + scale.unsqueeze(2)) + shift.unsqueeze(2)).flatten(1, 2)


def per_frame_product(x: Tensor, gate: Tensor) -> Tensor:
    """Multiply the tokens of every frame by its gate; shapes as in ``modulate``."""
    return (x.unflatten(1, (gate.shape[1], -1)) * gate.unsqueeze(2)).flatten(1, 2)


def sinusoidal_embedding(timesteps: Tensor, dim: int) -> Tensor:
    """Embed timesteps as cosines, then sines, of geometrically spaced frequencies.

    Shapes:
        timesteps: [...]
        returns: [..., dim], float64 (float32 on MPS, which has no float64)
    Source: sdv2: models/wan/wan_base/modules/model.py (sinusoidal_embedding_1d)
    """
    wide = torch.float32 if timesteps.device.type == "mps" else torch.float64
    half = dim // 2
    exponents = torch.arange(half, dtype=wide, device=timesteps.device) / half
    angles = timesteps.to(wide).unsqueeze(-1) * torch.pow(10000.0, -exponents)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


def unpatchify(tokens: Tensor, height: int, width: int) -> Tensor:
    """Put the patches of every token in their place; inside a token the channel runs fastest.

    Shapes:
        tokens: [B, T * height * width, 4 * C]
        returns: [B, T, C, 2 * height, 2 * width]
    """
    patches = tokens.unflatten(-1, (PATCH, PATCH, -1)).unflatten(1, (-1, height, width))
    latents = patches.permute(0, 1, 6, 2, 4, 3, 5)  # [B, T, C, height, 2, width, 2]
    return latents.flatten(5, 6).flatten(3, 4)
