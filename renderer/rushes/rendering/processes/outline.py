"""A pipeline whose networks are in other processes: what the files of a result need of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from rushes.files.folders import Folders
from rushes.memory.memory_plan import MemoryPlan
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import CausalDit
from rushes.models.vace import VaceBranch
from rushes.presets.kinds import GraphsChoice
from rushes.presets.preset import Preset
from rushes.rendering.fitted import FittedRenderer
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.processes.process_frames import ProcessFrames
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.weights.lora_files import read_adapters
from rushes.weights.networks import dit_config, find_weights


class _Elsewhere:
    """Stands for an autoencoder that another process has."""

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        raise NotImplementedError("this process has no networks")

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        raise NotImplementedError("this process has no networks")


@dataclass(frozen=True)
class Outline(Pipeline):
    """A pipeline whose networks are in other processes; here they have sizes and no values."""

    frames: ProcessFrames | None = None

    @property
    def blocks_of_ranks(self) -> tuple[int, ...] | None:
        return None if self.frames is None else self.frames.blocks

    def for_plan(self, plan: RenderPlan, folder: Path) -> Pipeline:
        return self.with_files(plan, folder)

    @contextmanager
    def with_loras(self) -> Iterator[AdaptedLayers]:
        yield read_adapters(self.models, self.loras)

    def open_stream(
        self,
        plan: RenderPlan,
        clock: StageClock | None = None,
        adapted_layers: AdaptedLayers | None = None,
        graphs: GraphsChoice = "off",
    ) -> Stream:
        assert self.frames is not None
        self.frames.clock = clock or self.frames.clock
        return cast("Stream", self.frames)


def outline_of(
    renderer: FittedRenderer,
    preset: Preset,
    folders: Folders,
    plan: RenderPlan,
    memory_plan: MemoryPlan,
) -> Outline:
    """Return the outline of a plan's pipeline, as ``renderer`` would load it."""
    paths = find_weights(preset, folders.models, folders.cache, plan.vae_type)
    config = dit_config(preset)
    with torch.device("meta"):
        dit = CausalDit(config)
        vace = VaceBranch(config) if plan.is_steered else None
    models = Models(
        dit=dit,
        vae=_Elsewhere(),
        schedule=FlowSchedule(shift=preset.schedule.shift),
        warps_steps=preset.schedule.warps,
        normalise_encoded=preset.vae.normalise_encoded,
        device=renderer.device,
        dtype=renderer.dtype,
        vace=vace,
    )
    return Outline(*(preset, folders, paths, models, plan.vae_type), memory_plan=memory_plan)
