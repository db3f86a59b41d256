"""Prompt embeddings of the world's words, made once by the text encoder itself."""

from __future__ import annotations

import torch
from torch import Tensor

from rushes.models.text_encoder import TextEncoder
from rushes_training.creatures import COATS, KINDS
from rushes_training.places import PLACES
from rushes_training.world import MOTIONS

_GROUPS = (list(KINDS), list(COATS), list(PLACES), list(MOTIONS))


class WordTable:
    """Embeddings of every choice of kind, coat, place and verb, each of which may be left out."""

    def __init__(self, encoder: TextEncoder) -> None:
        sizes = [len(group) + 1 for group in _GROUPS]
        texts = []
        for kind in ["", *_GROUPS[0]]:
            for coat in ["", *_GROUPS[1]]:
                for place in ["", *_GROUPS[2]]:
                    texts += [f"{coat} {kind} {verb} {place}" for verb in ["", *_GROUPS[3]]]
        parts = [encoder.encode(texts[i : i + 256]) for i in range(0, len(texts), 256)]
        self._table: Tensor = torch.cat(parts).unflatten(0, sizes)  # [K, C, L, V, P, E]

    def embeddings(self, words: Tensor) -> Tensor:
        """Look up prompts.

        Shapes:
            words: [..., 4], index of kind, coat, place and verb; -1 leaves one out
            returns: [..., P, E_text]
        """
        kind, coat, place, verb = (words + 1).unbind(-1)
        found: Tensor = self._table[kind, coat, place, verb]
        return found
