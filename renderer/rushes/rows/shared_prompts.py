"""Keys of prompts for rows that have the same ones: each is made once."""

from __future__ import annotations

from collections import deque
from threading import Lock

from torch import Tensor

from rushes.models.dit import CausalDit
from rushes.models.prompt_keys import PromptKeys

_KEPT = 4  # prompts that were asked for last


class SharedPrompts:
    """Remembers the last prompts; rows with the same embedding get the same keys."""

    def __init__(self, dit: CausalDit) -> None:
        self._dit = dit
        self._lock = Lock()
        self._contexts: deque[tuple[Tensor, Tensor]] = deque(maxlen=_KEPT)
        self._keys: deque[tuple[Tensor, PromptKeys]] = deque(maxlen=_KEPT)

    def context_of(self, embedding: Tensor) -> Tensor:
        """Bring a prompt embedding to the width of the network.

        Shapes:
            embedding: [1, P, E_text]
            returns: as ``CausalDit.embed_prompt``
        """
        with self._lock:
            for known, context in self._contexts:
                if known.shape == embedding.shape and known.equal(embedding):
                    return context
            context = self._dit.embed_prompt(embedding)
            self._contexts.append((embedding, context))
            return context

    def keys_of(self, context: Tensor) -> PromptKeys:
        """Return the keys of a context, which is one that ``context_of`` returned."""
        with self._lock:
            for known, keys in self._keys:
                if known is context:
                    return keys
            keys = self._dit.prompt_keys(context)
            self._keys.append((context, keys))
            return keys
