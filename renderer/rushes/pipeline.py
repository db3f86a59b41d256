"""A preset made ready on a device: its networks, its prompt embeddings, its hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from rushes.file_hash import HashCache
from rushes.presets import Preset
from rushes.prompt_cache import PromptCache, encoder_key
from rushes.stream.stream import Models
from rushes.weights import WeightPaths, find_weights, load_models, load_text_encoder


@dataclass(frozen=True)
class Folders:
    """Where this machine keeps weights, and what can be made again."""

    models: Path
    cache: Path


@dataclass(frozen=True)
class Pipeline:
    """What stays in memory from one render to the next."""

    preset: Preset
    folders: Folders
    paths: WeightPaths
    models: Models

    @cached_property
    def weights_sha256(self) -> dict[str, str]:
        """The hash of each weight file, by part."""
        hashes = HashCache(self.folders.cache / "hashes.json")
        return {part: hashes.sha256(path) for part, path in self.paths.files().items()}

    def prompt_embeddings(self, texts: Iterable[str]) -> PromptCache:
        """Return a cache that holds the embeddings of all these texts.

        The text encoder is loaded only if some of them are new, and let go afterwards.
        """
        key = encoder_key(
            self.weights_sha256["text_encoder"], self._tokenizer_sha256(), self.models.dtype
        )
        cache = PromptCache(self.folders.cache / "prompts" / key, self.preset.dit.text_len)
        missing = cache.missing(texts)
        if missing:
            encoder = load_text_encoder(
                self.preset, self.paths, self.models.device, self.models.dtype
            )
            cache.encode(missing, encoder.encode)
        return cache

    def _tokenizer_sha256(self) -> str:
        digest = hashlib.sha256()
        for file in sorted(self.paths.tokenizer.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()


def load_pipeline(
    preset: Preset, folders: Folders, device: torch.device, dtype: torch.dtype
) -> Pipeline:
    """Find and load the networks of a preset.

    Raises: CheckpointError when files are missing or do not fit.
    """
    paths = find_weights(preset, folders.models, folders.cache)
    return Pipeline(preset, folders, paths, load_models(preset, paths, device, dtype))
