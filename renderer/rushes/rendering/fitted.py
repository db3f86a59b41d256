"""Renders that fit their GPU: checked before loading, and tried again with less memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from rushes.errors import MemoryShortError
from rushes.files.folders import Folders
from rushes.history.rates import note_render
from rushes.memory.memory_plan import MemoryPlan, plan_memory
from rushes.memory.out_of_memory import retry_smaller
from rushes.presets.preset import Preset
from rushes.rendering.joint import JointRenders, open_joint
from rushes.rendering.loop import Report
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.rendering.takes import Take, render_takes
from rushes.rendering.work import KeptWork, Work
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.weights.device import (
    choose_device,
    choose_dtype,
    device_memory,
    release_memory,
    reuse_freed_memory,
)
from rushes.weights.networks import find_weights

T = TypeVar("T")


class FittedRenderer:
    """Renders plans of one preset on one device; the networks of the last one stay loaded."""

    def __init__(
        self, preset: Preset, folders: Folders, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._preset, self._folders = preset, folders
        self.device, self.dtype = device, dtype
        self.pipeline: Pipeline | None = None

    def load(self, plan: RenderPlan) -> Pipeline:
        """Load what a plan needs, in the way that fits the memory, unless it is loaded.

        Raises: MemoryShortError when the card is too small; CheckpointError as ``load_pipeline``.
        """
        return self._loaded(plan, self.memory_plan(plan))

    def render(
        self,
        plan: RenderPlan,
        request: RenderRequest,
        *,
        force: bool = False,
        report: Report = lambda progress: None,
        work: Work | KeptWork | None = None,
        timeline_sha256: str | None = None,
    ) -> dict[str, Any]:
        """Render as ``render.render``; once more, smaller, if the GPU's memory runs out.

        What it took is noted, for estimates of later renders.
        """

        def attempt(memory_plan: MemoryPlan, warnings: tuple[str, ...]) -> dict[str, Any]:
            return render(
                self._loaded(plan, memory_plan),
                plan,
                request,
                force=force,
                report=report,
                work=work,
                warnings=warnings,
                timeline_sha256=timeline_sha256,
            )

        manifest = self._attempt(plan, attempt)
        self._note(request, manifest)
        return manifest

    def render_takes(
        self,
        takes: Sequence[Take],
        *,
        force: bool = False,
        report: Report = lambda progress: None,
        work: KeptWork | None = None,
    ) -> list[dict[str, Any]]:
        """Render takes as rows of one batch, as ``takes.render_takes``; smaller if memory ends."""
        plan = takes[0].plan

        def attempt(memory_plan: MemoryPlan, warnings: tuple[str, ...]) -> list[dict[str, Any]]:
            pipeline = self._loaded(plan, memory_plan)
            how: dict[str, Any] = {"force": force, "report": report, "warnings": warnings}
            return render_takes(pipeline, takes, work=work, **how)

        manifests = self._attempt(plan, attempt, takes=len(takes))
        if len(takes) == 1:  # rows of one batch share their time
            self._note(takes[0].request, manifests[0])
        return manifests

    @contextmanager
    def joint(self, plan: RenderPlan, folder: Path, most: int) -> Iterator[JointRenders]:
        """Load what plans like this one need, for at most so many renders at once.

        ``folder`` is where the timeline lies. There may be room for fewer.
        Raises: as ``load`` and ``open_joint``.
        """
        alone = self.memory_plan(plan)
        count, memory_plan = 1, alone
        for number in range(most, 1, -1):
            try:
                shared = self.memory_plan(plan, number)
            except MemoryShortError:
                continue
            if shared.loads_as(alone):  # else the pictures would be others
                count, memory_plan = number, shared
                break
        with open_joint(self._loaded(plan, memory_plan), plan, folder, count) as renders:
            yield renders

    def _note(self, request: RenderRequest, manifest: dict[str, Any]) -> None:
        is_typical = request.enlarge == 1 and request.output.is_file()
        size = request.output.stat().st_size if is_typical else None
        note_render(self._folders.cache, manifest, size)

    def _attempt(
        self, plan: RenderPlan, attempt: Callable[[MemoryPlan, tuple[str, ...]], T], takes: int = 1
    ) -> T:
        memory_plan = self.memory_plan(plan, takes)
        return retry_smaller(attempt, memory_plan, memory_plan.smaller(), self._release)

    def memory_plan(self, plan: RenderPlan, takes: int = 1) -> MemoryPlan:
        """Return what is done to save memory, so that takes of a plan fit on the device.

        Raises: MemoryShortError when the card is too small; CheckpointError without weights.
        """
        paths = find_weights(self._preset, self._folders.models, self._folders.cache, plan.vae_type)
        return plan_memory(
            self._preset,
            plan,
            device=str(self.device),
            memory=device_memory(self.device),
            value_bytes=self.dtype.itemsize,
            text_encoder_bytes=paths.text_encoder.stat().st_size,
            takes=takes,
        )

    def _loaded(self, plan: RenderPlan, memory_plan: MemoryPlan) -> Pipeline:
        if self.pipeline is None or not self.pipeline.memory_plan.loads_as(memory_plan):
            if self.pipeline is not None:
                self._release()
            self.pipeline = load_pipeline(
                self._preset, self._folders, self.device, self.dtype, plan.vae_type, memory_plan
            )
        elif self.pipeline.memory_plan != memory_plan:
            self.pipeline = self.pipeline.with_memory_plan(memory_plan)
        return self.pipeline

    def _release(self) -> None:
        self.pipeline = None
        release_memory(self.device)


def open_renderer(preset: Preset, folders: Folders, device: str, dtype: str) -> FittedRenderer:
    """Return a renderer on the device of this name; networks are loaded when a plan needs them.

    Raises: ConfigError when there is no such device, or it cannot compute in this type.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        reuse_freed_memory()
    return FittedRenderer(preset, folders, chosen, choose_dtype(dtype, chosen))
