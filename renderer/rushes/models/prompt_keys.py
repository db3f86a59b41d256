"""The cross-attention cache: keys and values of prompts for every block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PromptKeys:
    """Keys and values of one prompt embedding for every block.

    Where all lie in one piece of ``memory``, several prompts are joined in one copy.

    Shapes:
        each block: k and v [B, P, N, D]
        memory: [blocks, keys and values, B, P, N, D]
    """

    blocks: tuple[tuple[Tensor, Tensor], ...]
    memory: Tensor | None = None

    @classmethod
    def of_memory(cls, memory: Tensor) -> PromptKeys:
        """Show the memory of all blocks block by block."""
        return cls(tuple((block[0], block[1]) for block in memory.unbind(0)), memory)


def whole_prompt(keys_values: Iterable[tuple[Tensor, Tensor]], length: int) -> PromptKeys:
    """Repeat the last row of keys and values, that of an empty token, up to a length.

    All of them are written at once, for on a GPU a launch takes longer than such a copy.

    Shapes:
        keys_values: k and v [B, P, N, D] of every block
    """
    blocks = list(keys_values)
    kinds = {(each.shape, each.dtype, each.device) for pair in blocks for each in pair}
    if torch.is_grad_enabled() or len(kinds) != 1:
        return PromptKeys(
            tuple((whole_length(k, length), whole_length(v, length)) for k, v in blocks)
        )
    first = blocks[0][0]
    rows, known, *heads = first.shape
    memory = first.new_empty(len(blocks), 2, rows, max(known, length), *heads)
    filled = memory[:, :, :, :known].flatten(0, 1).unbind(0)
    torch._foreach_copy_(filled, [each for pair in blocks for each in pair])
    if known < length:
        memory[:, :, :, known:] = memory[:, :, :, known - 1 : known]
    return PromptKeys.of_memory(memory)


def whole_length(rows: Tensor, length: int) -> Tensor:
    """Repeat the last row up to a length: [B, P, ...] to [B, length, ...]."""
    missing = length - rows.shape[1]
    if missing <= 0:
        return rows
    last = rows[:, -1:]
    return torch.cat((rows, last.expand(-1, missing, *last.shape[2:])), dim=1)


def join_prompts(prompts: Sequence[PromptKeys]) -> PromptKeys:
    """Put the prompts of several rows into one batch; nothing is copied when all have the same.

    Shapes:
        prompts: k and v [1, P, N, D]
        returns: k and v [B, P, N, D]
    """
    first, count = prompts[0], len(prompts)
    if all(prompt is first for prompt in prompts) and first.blocks[0][0].shape[0] == 1:
        return PromptKeys(
            tuple(
                (k.expand(count, -1, -1, -1), v.expand(count, -1, -1, -1)) for k, v in first.blocks
            ),
            None if first.memory is None else first.memory.expand(-1, -1, count, -1, -1, -1),
        )
    memories = [prompt.memory for prompt in prompts if prompt.memory is not None]
    if len(memories) == count:
        return PromptKeys.of_memory(torch.cat(memories, dim=2))
    by_block = zip(*(prompt.blocks for prompt in prompts), strict=True)
    return PromptKeys(
        tuple(
            (torch.cat([k for k, _ in rows]), torch.cat([v for _, v in rows])) for rows in by_block
        )
    )
