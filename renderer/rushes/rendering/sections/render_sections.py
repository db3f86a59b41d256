"""A plan rendered by several processes, into the files that a single one would make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.files.hidden_folder import hidden_folder
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import CausalDit
from rushes.models.vace import VaceBranch
from rushes.presets.preset import Preset
from rushes.rendering.fitted import FittedRenderer, open_renderer
from rushes.rendering.loop import Report
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.render import check, render
from rushes.rendering.sections.cutting import cut_sections
from rushes.rendering.sections.section_frames import SectionFrames
from rushes.rendering.sections.section_process import SectionJob
from rushes.rendering.takes import Take
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models, Stream
from rushes.timeline.loras import BESIDE
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.names import result_path
from rushes.weights.device import available_devices
from rushes.weights.lora_files import find_loras, read_adapters
from rushes.weights.networks import dit_config, find_weights


class _Elsewhere:
    """Stands for an autoencoder that another process has."""

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        raise NotImplementedError("this process has no networks")

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        raise NotImplementedError("this process has no networks")


@dataclass(frozen=True)
class _Outline(Pipeline):
    """A pipeline whose networks are in other processes; here they have sizes and no values."""

    frames: SectionFrames | None = None

    def for_plan(self, plan: RenderPlan, folder: Path) -> Pipeline:
        paths = find_weights(
            *(self.preset, self.folders.models, self.folders.cache, plan.vae_type),
            with_vace=plan.is_steered,
        )
        loras = find_loras(plan.loras, (folder / BESIDE, *self.folders.loras), self.hash_of)
        return replace(self, paths=paths, vae_type=plan.vae_type, loras=loras)

    @contextmanager
    def with_loras(self) -> Iterator[AdaptedLayers]:
        yield read_adapters(self.models, self.loras)

    def open_stream(
        self,
        plan: RenderPlan,
        clock: StageClock | None = None,
        adapted_layers: AdaptedLayers | None = None,
    ) -> Stream:
        assert self.frames is not None
        self.frames.clock = clock or self.frames.clock
        return cast("Stream", self.frames)


def render_sections(
    preset: Preset,
    folders: Folders,
    take: Take,
    processes: int,
    *,
    force: bool = False,
    report: Report = lambda progress: None,
) -> dict[str, Any]:
    """Render a take by several processes, and return its manifest.

    The sections between two resets are rendered at the same time, each process on a GPU of its
    own, or on the CPU; this process encodes their frames in order. The files are those of
    ``render``, byte for byte on the same kind of machine. Frames that wait for their turn take
    their size on the disk of the result.

    Raises: as ``render``; ConfigError when there are fewer GPUs than processes, or a single
        section; RenderProcessError when a process dies.
    """
    plan, request = take.plan, take.request
    check(plan, request, force=force)
    sections = cut_sections(plan)
    if len(sections) == 1:
        raise ConfigError(
            "this timeline is one section without a reset, which several processes cannot share; "
            "leave --processes out, or reset at every prompt (--on-prompt-change reset)"
        )
    renderer = open_renderer(preset, folders, request.device, request.dtype)
    devices = _devices(renderer.device, min(processes, len(sections)))
    outline = _outline(renderer, preset, folders, plan)
    outline.prompt_embeddings(plan.prompt_texts)  # once, before all processes ask for them
    with hidden_folder(result_path(request.output)) as folder:
        jobs = [
            SectionJob(preset, folders, plan, request, str(device), folder) for device in devices
        ]
        with SectionFrames(jobs, sections) as frames:
            return render(
                *(replace(outline, frames=frames, processes=len(jobs)), plan, request),
                force=force,
                report=report,
                timeline_sha256=take.timeline_sha256,
            )


def _devices(first: torch.device, count: int) -> Sequence[torch.device]:
    if first.type != "cuda":
        return [first] * count
    here = [torch.device(name) for name in available_devices() if name.startswith("cuda")]
    if count > len(here):
        raise ConfigError(
            f"--processes {count}: there are {len(here)} GPUs here; each process needs its own"
        )
    return here[:count]


def _outline(
    renderer: FittedRenderer, preset: Preset, folders: Folders, plan: RenderPlan
) -> _Outline:
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
    return _Outline(
        *(preset, folders, paths, models, plan.vae_type), memory_plan=renderer.memory_plan(plan)
    )
