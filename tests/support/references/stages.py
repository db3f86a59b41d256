"""The network cut into ranges of blocks that may live on different devices.

What passes between two of them is tensors only: the tokens of a chunk, and the small inputs that
every stage turns into modulation and rotary factors itself.

Source: sdv2: models/wan/causal_model.py (block_mode input, middle, output)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from rushes.models.caches.kv_cache import KVCache
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.dit import CausalDit
from rushes.models.layers.patches import PATCH, unpatchify
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryFactors


@dataclass(frozen=True)
class Stage:
    """One range of blocks; the first one embeds the patches, the last one applies the head."""

    dit: CausalDit
    blocks: range

    @property
    def is_first(self) -> bool:
        return self.blocks.start == 0

    @property
    def is_last(self) -> bool:
        return self.blocks.stop == self.dit.config.num_layers

    def __call__(
        self,
        x: Tensor,
        timesteps: Tensor,
        rotary: RotaryFactors,
        kv_cache: KVCache,
        prompt: PromptKeys,
        latent_size: tuple[int, int],
    ) -> Tensor:
        """Run the stage.

        Shapes:
            x: [B, T, C, H, W] latents in the first stage, else [B, S, E] tokens
            timesteps: [B, T]
            returns: [B, T, C, H, W] flow from the last stage, else [B, S, E] tokens
        Units: ``latent_size`` is H and W.
        """
        if self.is_first:
            x = self.dit.embed_patches(x)  # [B, S, E]
        modulation = self.dit.modulation(timesteps, x.dtype)
        x = self.dit.apply_blocks(self.blocks, x, modulation, rotary, kv_cache, prompt)
        if not self.is_last:
            return x
        height, width = latent_size
        return unpatchify(self.dit.head(x, modulation.head), height // PATCH, width // PATCH)


def run_stages(
    stages: Sequence[Stage],
    latents: Tensor,
    timesteps: Tensor,
    rotary: RotaryFactors,
    kv_cache: KVCache,
    prompt: PromptKeys,
) -> Tensor:
    """Run stages one after the other; shapes as in ``CausalDit``."""
    height, width = latents.shape[-2:]
    x = latents
    for stage in stages:
        x = stage(x, timesteps, rotary, kv_cache, prompt, (height, width))
    return x


def move_block(
    donor: QueueKVCache, block: int, receiver: QueueKVCache, *, with_queue: bool = True
) -> None:
    """Hand the frames of a block to the cache of another rank.

    Without its queue, as in the research system, the receiver goes on with its own.
    """
    receiver.slots.frames[block] = donor.slots.frames[block]
    for theirs, ours in zip(receiver.states[block], donor.states[block], strict=True):
        theirs.filled, theirs.end = ours.filled, ours.end
        if with_queue:
            theirs.queue = list(ours.queue)
    if with_queue:
        receiver.steps_left[block] = donor.steps_left[block]
