"""A pass of the causal DiT over whole clips, every chunk predicted from the clean ones before it.

In the stream the network sees one chunk at a time and finds the keys of the past in its cache.
Here the clean clip and the noisy clip run through it side by side; a noisy chunk attends to the
clean frames before it and to itself, a clean frame to itself and those before. Both ways give the
same numbers, which a test asserts.

Source: arXiv:2412.07772 (CausVid), section 4.1; arXiv:2506.08009 (Self-Forcing)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from rushes.models.attention import attend
from rushes.models.dit import Block, CausalDit
from rushes.models.layers.modulation import add_gated, block_modulation, head_modulation, modulated
from rushes.models.layers.patches import unpatchify
from rushes.models.prompt_keys import whole_length
from rushes.models.rope import RotaryEmbedding, RotaryFactors, rotate

Chunks = Sequence[tuple[int, int]]  # first frame and the one behind the last, of every chunk


def forced_flow(
    dit: CausalDit,
    clean: Tensor | None,
    noisy: Tensor,
    timesteps: Tensor,
    prompts: Tensor,
    positions: Tensor,
    chunks: Chunks,
    rotary: RotaryEmbedding,
) -> Tensor:
    """Predict the flow of every noisy frame; without a clean clip every chunk stands alone.

    Shapes:
        clean, noisy: [B, T, C, H, W]
        timesteps: [B, T], of the noisy frames
        prompts: [B, T, P, E_text], in force at every frame
        positions: [B, T], int64
        returns: [B, T, C, H, W]
    """
    num_frames = noisy.shape[1]
    height, width = noisy.shape[-2] // 2, noisy.shape[-1] // 2
    factors = _factors(rotary, positions, height, width)
    times = timesteps
    everything = noisy
    if clean is not None:  # R = 2 runs side by side, else 1
        everything = torch.cat((clean, noisy), dim=1)
        times = torch.cat((torch.zeros_like(timesteps), timesteps), dim=1)
        factors = RotaryFactors(torch.cat([factors.cos] * 2, 1), torch.cat([factors.sin] * 2, 1))
    x = dit.embed_patches(everything)  # [B, R*T*S, E]
    embedding, modulation = dit.embed_timesteps(times, x.dtype)
    context = dit.embed_prompt(prompts.flatten(0, 1))
    context = whole_length(context, dit.config.text_len)  # [B*T, P, E]
    for block in cast("Iterable[Block]", dit.blocks):
        x = _block(block, x, modulation, factors, context, chunks, num_frames)
    noisy_half = x[:, -num_frames * height * width :]  # [B, T*S, E]
    modulation = head_modulation(dit.head.modulation, embedding[:, -num_frames:])
    return unpatchify(dit.head(noisy_half, modulation), height, width)


def _factors(rotary: RotaryEmbedding, positions: Tensor, height: int, width: int) -> RotaryFactors:
    """Return the factors of frames at any positions: [B, T*S, 1, D/2]."""
    batch, num_frames = positions.shape
    each = rotary.factors(positions.flatten().tolist(), 1, height, width)
    cos, sin = (
        part.unflatten(0, (batch, num_frames)).flatten(1, 2) for part in (each.cos, each.sin)
    )
    return RotaryFactors(cos, sin)


def _block(
    block: Block,
    x: Tensor,
    modulation: Tensor,
    factors: RotaryFactors,
    context: Tensor,
    chunks: Chunks,
    num_frames: int,
) -> Tensor:
    shift1, scale1, gate1, shift2, scale2, gate2 = block_modulation(
        block.modulation[0], modulation
    )  # [B, R*T, 1, E] each
    runs = modulation.shape[1] // num_frames
    y = modulated(block.norm1, x, shift1, scale1)
    q = rotate(block.self_attn.query(y), factors)
    k, v = block.self_attn.keys_values(y)
    q, k, v = (part.unflatten(1, (runs, num_frames, -1)) for part in (q, rotate(k, factors), v))
    attended = (_attend_causally if runs == 2 else _attend_alone)(q, k, v, chunks)
    x = add_gated(x, block.self_attn.project(attended), gate1)

    k, v = block.cross_attn.keys_values(context)  # [B*T, P, N, D]
    q = block.cross_attn.query(block.norm3(x)).unflatten(1, (runs, num_frames, -1))
    q = q.transpose(1, 2).flatten(0, 1).flatten(1, 2)  # [B*T, R*S, N, D]
    told = attend(q, k, v).unflatten(0, (-1, num_frames)).unflatten(2, (runs, -1))
    told = told.transpose(1, 2).flatten(1, 3)  # [B, R*T*S, N, D]
    x = x + block.cross_attn.project(told)

    return add_gated(x, block.ffn(modulated(block.norm2, x, shift2, scale2)), gate2)


def _attend_causally(q: Tensor, k: Tensor, v: Tensor, chunks: Chunks) -> Tensor:
    """Attend chunk by chunk; q, k and v are [B, 2, T, S, N, D], clean frames first."""
    (clean_q, noisy_q), (clean_k, noisy_k), (clean_v, noisy_v) = (
        part.unbind(1) for part in (q, k, v)
    )
    clean, noisy = [], []
    for start, end in chunks:
        past_k, past_v = clean_k[:, :end].flatten(1, 2), clean_v[:, :end].flatten(1, 2)
        clean.append(attend(clean_q[:, start:end].flatten(1, 2), past_k, past_v))
        own_k = torch.cat((clean_k[:, :start], noisy_k[:, start:end]), dim=1).flatten(1, 2)
        own_v = torch.cat((clean_v[:, :start], noisy_v[:, start:end]), dim=1).flatten(1, 2)
        noisy.append(attend(noisy_q[:, start:end].flatten(1, 2), own_k, own_v))
    return torch.cat((*clean, *noisy), dim=1)


def _attend_alone(q: Tensor, k: Tensor, v: Tensor, chunks: Chunks) -> Tensor:
    """Attend within chunks; q, k and v are [B, 1, T, S, N, D]."""
    pieces = [[part[:, 0, start:end].flatten(1, 2) for part in (q, k, v)] for start, end in chunks]
    return torch.cat([attend(q, k, v) for q, k, v in pieces], dim=1)
