"""Whether a render replays its steps as graphs."""

from __future__ import annotations

import logging

import torch

from rushes.presets.kinds import GraphsChoice

logger = logging.getLogger(__name__)

LEAST_CHUNKS = 16  # from which on a render gains more by graphs than it takes to capture them


def uses_graphs(
    choice: GraphsChoice, device: torch.device, num_chunks: int, *, saves_memory: bool
) -> bool:
    """Say whether a render of so many chunks replays its steps.

    With ``auto`` it does on CUDA, where it is long enough and has memory to spare: graphs keep the
    memory that their steps use.
    """
    if choice == "auto":
        is_long = num_chunks >= LEAST_CHUNKS
        uses = device.type == "cuda" and is_long and not saves_memory
    else:
        uses = choice == "on"
    logger.info("%d chunks on %s: graphs %s", num_chunks, device, "on" if uses else "off")
    return uses
