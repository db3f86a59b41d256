"""VACE: a second, shorter stack of blocks that turns a control context into hints for the DiT.

The context of a chunk holds 96 channels a latent position: what of the control video is to be kept,
what is to be made anew, and the mask between them. Parameter names are those of the public VACE
module files.

Source: scope: src/scope/core/pipelines/wan2_1/vace/{mixin.py,models,utils}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.caches.kv_cache import KVCache
from rushes.models.dit import Block, DitConfig
from rushes.models.layers.modulation import block_modulation
from rushes.models.layers.patches import PATCH
from rushes.models.prompt_keys import PromptKeys, whole_prompt
from rushes.models.rope import RotaryFactors

LATENT_CHANNELS = 16
MASK_CHANNELS = 64  # the 8 x 8 pixels of one latent position
CONTEXT_CHANNELS = 2 * LATENT_CHANNELS + MASK_CHANNELS
_CELL = 8  # pixels a side of one latent position


class ChunkAlone:
    """A cache that remembers nothing: a chunk sees itself only."""

    rotates_keys = False

    def write(self, block: int, k: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        assert v is not None
        return k.to(v.dtype), v


class VaceBlock(Block):
    """A transformer block whose result, projected, is the hint for one block of the DiT."""

    def __init__(self, config: DitConfig, is_first: bool) -> None:
        super().__init__(config)
        if is_first:
            self.before_proj = nn.Linear(config.dim, config.dim)
        self.after_proj = nn.Linear(config.dim, config.dim)


class VaceBranch(nn.Module):
    """The network of a VACE module file, for a DiT of the same sizes."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.text_len = config.text_len
        self.vace_patch_embedding = nn.Conv3d(
            CONTEXT_CHANNELS, config.dim, (1, PATCH, PATCH), (1, PATCH, PATCH)
        )
        self.attended: KVCache = ChunkAlone()  # what the attention of these blocks can see
        self.hinted_blocks = range(0, config.num_layers, config.vace_stride)
        self.vace_blocks = nn.ModuleList(
            VaceBlock(config, is_first=index == 0) for index in self.hinted_blocks
        )

    def prompt_keys(self, prompt_context: Tensor) -> PromptKeys:
        """Fill a cross-attention cache for this branch.

        Shapes:
            prompt_context: [B, P, E], from ``CausalDit.embed_prompt``
        """
        blocks = cast("Iterable[VaceBlock]", self.vace_blocks)
        return whole_prompt(
            (block.cross_attn.keys_values(prompt_context) for block in blocks), self.text_len
        )


@dataclass(frozen=True)
class Control:
    """What steers one chunk: its context, how strongly, and what the branch needs beside.

    ``rotary`` counts frames from 0 whatever the chunk's position. Context beyond the chunk's frames
    is cut, missing context counts as zero.

    Shapes:
        context: [B, T, 96, H, W]
    """

    branch: VaceBranch
    context: Tensor
    scale: float
    prompt: PromptKeys
    rotary: RotaryFactors

    def hints(self, x: Tensor, timestep_modulation: Tensor) -> dict[int, Tensor]:
        """Return what is added behind the blocks of the DiT, by their index.

        Shapes:
            x: [B, S, E], the chunk's tokens before the DiT's first block
            timestep_modulation: [R, T, 6, E]
            returns: [B, S, E] each
        """
        embedded = self.branch.vace_patch_embedding(self.context.transpose(1, 2))
        tokens = embedded.flatten(2).transpose(1, 2)[:, : x.shape[1]]  # [B, <= S, E]
        c = functional.pad(tokens, (0, 0, 0, x.shape[1] - tokens.shape[1]))
        found: dict[int, Tensor] = {}
        blocks = cast("Iterable[VaceBlock]", self.branch.vace_blocks)
        for number, (index, block) in enumerate(
            zip(self.branch.hinted_blocks, blocks, strict=True)
        ):
            if number == 0:
                c = block.before_proj(c) + x
            prompt = self.prompt.blocks[number]
            modulation = block_modulation(block.modulation[0], timestep_modulation)
            c = block(c, modulation, self.rotary, self.branch.attended, prompt, number)
            found[index] = block.after_proj(c) * self.scale
        return found


def mask_channels(masks: Tensor) -> Tensor:
    """Fold the pixels of each latent position into channels, and four frames into one.

    Shapes:
        masks: [T, H, W], 1 where pictures are made anew, 0 where they are kept
        returns: [1, T_lat, 64, H/8, W/8], T_lat = (T + 3) // 4
    """
    num_frames, height, width = masks.shape
    rows, columns = 2 * (height // (2 * _CELL)), 2 * (width // (2 * _CELL))
    cells = masks[:, : rows * _CELL, : columns * _CELL]
    cells = cells.reshape(num_frames, rows, _CELL, columns, _CELL).permute(2, 4, 0, 1, 3)
    folded = cells.flatten(0, 1).unsqueeze(0)  # [1, 64, T, H/8, W/8]
    size = ((num_frames + 3) // 4, rows, columns)
    return functional.interpolate(folded, size, mode="nearest-exact").transpose(1, 2)


def control_context(kept: Tensor, renewed: Tensor, masks: Tensor) -> Tensor:
    """Join the encoded halves of a control video and their mask.

    Shapes:
        kept, renewed: [1, T_lat, 16, H/8, W/8]
        masks: [T, H, W]
        returns: [1, T_lat, 96, H/8, W/8]
    """
    channels = mask_channels(masks).to(device=kept.device, dtype=kept.dtype)
    return torch.cat((kept, renewed, channels), dim=2)


def reference_context(encoded: Tensor) -> Tensor:
    """Make the context of an encoded reference image: kept as it is, nothing masked.

    Shapes:
        encoded: [1, 1, 16, H/8, W/8]
        returns: [1, 1, 96, H/8, W/8]
    """
    missing = CONTEXT_CHANNELS - encoded.shape[2]
    return functional.pad(encoded, (0, 0, 0, 0, 0, missing))
