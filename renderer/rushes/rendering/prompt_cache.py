"""Prompt embeddings on disk, so that a text is encoded once and the encoder can be freed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from rushes.files.publish import write_atomically
from rushes.rendering.machine_kind import machine_kind

_BATCH = 8  # texts that are encoded together

Encode = Callable[[Sequence[str]], Tensor]


class PromptCache:
    """Embeddings by text, in a folder that belongs to one encoder (its weights and its dtype).

    Rows that a prompt does not fill are zero; they are not stored.
    """

    def __init__(self, folder: Path, text_len: int) -> None:
        self._folder = folder
        self._text_len = text_len

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the texts that have not been encoded yet, each once, in order."""
        return [text for text in dict.fromkeys(texts) if self._load(text) is None]

    def encode(self, texts: Sequence[str], encode: Encode) -> None:
        """Encode texts and keep their embeddings.

        Shapes:
            encode: texts -> [B, text_len, E_text]
        """
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            for text, embedding in zip(batch, encode(batch), strict=True):
                filled = int(embedding.any(dim=-1).sum())
                content = {"embedding": embedding[:filled].cpu().contiguous()}
                write_atomically(self._path(text), save(content))

    def __getitem__(self, text: str) -> Tensor:
        """Return the embedding of an encoded text, [1, text_len, E_text], on the CPU."""
        embedding = self._load(text)
        if embedding is None:
            raise KeyError(text)
        missing = self._text_len - len(embedding)
        return functional.pad(embedding, (0, 0, 0, missing)).unsqueeze(0)

    def _load(self, text: str) -> Tensor | None:
        try:
            return load_file(self._path(text))["embedding"]
        except (OSError, SafetensorError, KeyError):
            return None

    def _path(self, text: str) -> Path:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / digest[:2] / f"{digest}.safetensors"


def encoder_key(
    weights_sha256: str, tokenizer_sha256: str, dtype: torch.dtype, device: torch.device
) -> str:
    """Return the name of the folder that holds the embeddings of one encoder.

    Kinds of devices round differently, and so does a CPU with another number of threads; each has
    embeddings of its own.
    """
    kind = str(machine_kind(device)) if device.type == "cpu" else device.type
    parts = (weights_sha256, tokenizer_sha256, str(dtype), kind)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
