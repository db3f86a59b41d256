"""A preset made ready on a device: its networks, its prompt embeddings, its hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import torch

from rushes.drivers.open_stream import open_stream
from rushes.files.folders import Folders
from rushes.files.hashes import HashCache
from rushes.memory.memory_plan import AS_IT_IS, MemoryPlan
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.models.autoencoder import Autoencoder
from rushes.models.dit import CausalDit
from rushes.models.graphs.choice import uses_graphs
from rushes.models.stream_vae import StreamVAE
from rushes.models.vace import VaceBranch
from rushes.presets.kinds import GraphsChoice, VaeType
from rushes.presets.preset import Preset
from rushes.rendering.prompt_cache import PromptCache, encoder_key
from rushes.rows.row_batch import keeps_bits
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.loras import BESIDE
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.weights.autoencoders import load_autoencoder
from rushes.weights.device import release_memory
from rushes.weights.lora_files import LoraFile, adapted, find_loras
from rushes.weights.networks import WeightPaths, find_weights, load_models, load_text_encoder
from rushes.weights.vace import load_vace


@dataclass(frozen=True)
class Pipeline:
    """What stays in memory from one render to the next.

    Where several renders share the passes of the network, ``rows`` is how many there are and
    ``adapted_layers`` hold the LoRAs of all of them. ``processes`` is how many share a render.
    """

    preset: Preset
    folders: Folders
    paths: WeightPaths
    models: Models
    vae_type: VaeType = "wan"
    loras: tuple[LoraFile, ...] = ()
    memory_plan: MemoryPlan = AS_IT_IS
    rows: int = 1
    processes: int = 1
    adapted_layers: AdaptedLayers | None = None
    autoencoders: dict[Path, Autoencoder] = field(default_factory=dict, repr=False, compare=False)
    branches: dict[Path, VaceBranch] = field(default_factory=dict, repr=False, compare=False)

    @property
    def most_rows(self) -> int:
        """How many renders at most shared a pass of the network, up to now."""
        return self.rows

    @property
    def rounds_in_rows(self) -> bool:
        """Whether the last bits depend on how many renders share a pass of the network."""
        return self.rows > 1 and not keeps_bits(self.models.device, self.models.dtype)

    @property
    def blocks_of_ranks(self) -> tuple[int, ...] | None:
        """How many blocks of the network each process has; None where none has a part of it."""
        return None

    def for_plan(self, plan: RenderPlan, folder: Path) -> Pipeline:
        """Return the same pipeline with what a plan asks for: autoencoder, VACE branch, LoRA files.

        ``folder`` is where the timeline lies; LoRAs below it come before those of this machine.
        Networks are loaded when a plan first needs them, and kept for the next ones.
        Raises: MissingFileError, CheckpointError when files are missing or do not fit.
        """
        found = self.with_files(plan, folder)
        models = replace(
            self.models,
            vae=self._autoencoder(found.paths.vae, found.vae_type),
            vace=self._branch(found.paths.vace),
        )
        return replace(found, models=models)

    def with_files(self, plan: RenderPlan, folder: Path) -> Self:
        """Find the files that a plan asks for; nothing is loaded. Arguments and errors as above."""
        folders, vae_type = self.folders, plan.vae_type
        paths = find_weights(
            self.preset, folders.models, folders.cache, vae_type, with_vace=plan.is_steered
        )
        loras = find_loras(plan.loras, (folder / BESIDE, *folders.loras), self.hash_of)
        return replace(self, paths=paths, vae_type=vae_type, loras=loras)

    def with_memory_plan(self, memory_plan: MemoryPlan) -> Pipeline:
        """Return the same pipeline for another plan that it ``loads_as``."""
        for autoencoder in self.autoencoders.values():
            _with_rooms(autoencoder, memory_plan)
        return replace(self, memory_plan=memory_plan)

    @contextmanager
    def with_loras(self) -> Iterator[AdaptedLayers]:
        """Apply the LoRAs to the networks; afterwards the networks are restored.

        Raises: AdapterError when a file is not a LoRA, or one of another model.
        """
        if self.adapted_layers is not None:
            yield self.adapted_layers
            return
        with adapted(self.models, self.loras) as layers:
            yield layers

    def _autoencoder(self, path: Path, vae_type: VaeType) -> Autoencoder:
        if path not in self.autoencoders:
            device, dtype = self.models.device, self.models.dtype
            loaded = load_autoencoder(self.preset, path, vae_type, device, dtype)
            self.autoencoders[path] = _with_rooms(loaded, self.memory_plan)
        return self.autoencoders[path]

    def _branch(self, path: Path | None) -> VaceBranch | None:
        if path is None:
            return None
        if path not in self.branches:
            device, dtype = self.models.device, self.models.dtype
            self.branches[path] = load_vace(self.models.dit.config, path, device, dtype)
        return self.branches[path]

    @cached_property
    def weights_sha256(self) -> dict[str, str]:
        """The hash of each weight file, by part."""
        hashes = {part: self.hash_of(path) for part, path in self.paths.files().items()}
        hashes |= {f"lora {file.lora.name}": file.sha256 for file in self.loras}
        return hashes | {
            f"lora settings {file.lora.name}": file.config_sha256
            for file in self.loras
            if file.config_sha256 is not None
        }

    def hash_of(self, path: Path) -> str:
        """Return the SHA-256 of a file, which is read only once."""
        return HashCache(self.folders.cache / "hashes.json").sha256(path)

    def prompt_embeddings(self, texts: Iterable[str]) -> PromptCache:
        """Return a cache that holds the embeddings of all these texts.

        The text encoder is loaded only if some of them are new, and freed afterwards.
        """
        key = encoder_key(
            self.weights_sha256["text_encoder"],
            self._tokenizer_sha256(),
            self.models.dtype,
            self._text_device,
        )
        cache = PromptCache(self.folders.cache / "prompts" / key, self.preset.dit.text_len)
        missing = cache.missing(texts)
        if missing:
            encoder = load_text_encoder(
                self.preset, self.paths, self._text_device, self.models.dtype
            )
            cache.encode(missing, encoder.encode)
            del encoder
            release_memory(self.models.device)
        return cache

    def open_stream(
        self,
        plan: RenderPlan,
        clock: StageClock | None = None,
        adapted_layers: AdaptedLayers | None = None,
        graphs: GraphsChoice = "off",
    ) -> Stream:
        """Encode the prompts of a plan and open the stream that renders it.

        Raises: CheckpointError when the text encoder is needed and does not fit.
        """
        clock = clock or StageClock(self.models.device)
        embeddings = clock.timed_on_host("prompts", self.prompt_embeddings)(plan.prompt_texts)
        return open_stream(
            self.models,
            self.preset,
            plan,
            embeddings.__getitem__,
            clock=clock,
            adapted_layers=adapted_layers,
            pairs_chunks=self.memory_plan.pairs_chunks,
            graphs=self.replays_steps(plan, graphs),
            overlaps=self.memory_plan.keeps_vae_rooms,
        )

    def replays_steps(self, plan: RenderPlan, graphs: GraphsChoice) -> bool:
        """Say whether steps of a render are replayed, on CUDA as graphs.

        Networks that several share, as rows or as ranks, run plainly.
        """
        can = isinstance(self.models.dit, CausalDit) and self.rows == 1
        return can and uses_graphs(
            graphs,
            self.models.device,
            len(plan.chunks),
            saves_memory=not self.memory_plan.keeps_vae_rooms,
        )

    @property
    def uses_cpu(self) -> bool:
        """Whether a part of a render is computed on a CPU."""
        return self._text_device.type == "cpu"

    @property
    def _text_device(self) -> torch.device:
        return torch.device("cpu") if self.memory_plan.text_encoder_on_cpu else self.models.device

    def _tokenizer_sha256(self) -> str:
        digest = hashlib.sha256()
        for file in sorted(self.paths.tokenizer.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()


def load_pipeline(
    preset: Preset,
    folders: Folders,
    device: torch.device,
    dtype: torch.dtype,
    vae_type: VaeType | None = None,
    memory_plan: MemoryPlan = AS_IT_IS,
    blocks: range | None = None,
) -> Pipeline:
    """Find and load the networks of a preset, with the autoencoder of its choice or this one.

    ``memory_plan`` says what is done to save memory; ``blocks`` are those of a rank of several.

    Raises: CheckpointError when files are missing or do not fit.
    """
    vae_type = vae_type or preset.vae.type
    paths = find_weights(preset, folders.models, folders.cache, vae_type)
    models = load_models(
        *(preset, paths, device, dtype, vae_type), quantise=memory_plan.quantise, blocks=blocks
    )
    autoencoders = {paths.vae: _with_rooms(models.vae, memory_plan)}
    return Pipeline(
        preset, folders, paths, models, vae_type, memory_plan=memory_plan, autoencoders=autoencoders
    )


def _with_rooms(autoencoder: Autoencoder, memory_plan: MemoryPlan) -> Autoencoder:
    if isinstance(autoencoder, StreamVAE):
        autoencoder.keeps_room = memory_plan.keeps_vae_rooms
    return autoencoder
