"""One more try, in a smaller setting, after a GPU has run out of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from rushes.errors import MemoryShortError
from rushes.memory.memory_plan import MemoryPlan

logger = logging.getLogger(__name__)

T = TypeVar("T")


def retry_smaller(
    attempt: Callable[[MemoryPlan, tuple[str, ...]], T],
    memory_plan: MemoryPlan,
    smaller: MemoryPlan | None,
    release: Callable[[], None],
) -> T:
    """Run an attempt, and once more in the smaller setting if memory does not suffice.

    ``attempt`` gets the setting and the warnings that belong into the manifest. ``release`` is
    called between the two, when nothing of the first is referred to any more.

    Raises: MemoryShortError when nothing smaller is left, or that fails too.
    """
    try:
        return attempt(memory_plan, ())
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        reason = _first_line(error)
    if smaller is None:
        raise MemoryShortError(f"out of memory with {memory_plan} ({reason}); {_CURE}")
    warning = f"ran out of memory ({reason}); rendered again with {smaller}"
    logger.warning("out of memory (%s); once more, with %s", reason, smaller)
    release()
    try:
        return attempt(smaller, (warning,))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        reason = _first_line(error)
    raise MemoryShortError(f"out of memory twice, last with {smaller} ({reason}); {_CURE}")


_CURE = "close other programs on this GPU, or choose a smaller --size, --vae tae or another device"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether a GPU lacks memory; Metal has no type of error of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "MPS backend out of memory" in str(error)


def _first_line(error: RuntimeError) -> str:
    return str(error).split(". ")[0].splitlines()[0] if str(error) else type(error).__name__
