"""A plan rendered by several processes, into the files that a single one would make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import torch

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.files.hidden_folder import hidden_folder
from rushes.memory.memory_plan import MemoryPlan
from rushes.presets.preset import Preset
from rushes.rendering.fitted import open_renderer
from rushes.rendering.loop import Report
from rushes.rendering.processes.cutting import cut_sections
from rushes.rendering.processes.outline import outline_of
from rushes.rendering.processes.process_frames import ProcessFrames
from rushes.rendering.processes.rank_process import render_as_rank
from rushes.rendering.processes.section_process import render_sections_of
from rushes.rendering.processes.words import ProcessJob
from rushes.rendering.render import check, render
from rushes.rendering.takes import Take
from rushes.video.names import result_path
from rushes.weights.device import available_devices


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
    waiting: Any = get_context("spawn").Queue()
    count = min(processes, len(sections))
    for section in [*sections, *(None for _ in range(count))]:
        waiting.put(section)
    return _render_by(
        *(render_sections_of, preset, folders, take, count, waiting), force=force, report=report
    )


def render_ranks(
    preset: Preset,
    folders: Folders,
    take: Take,
    ranks: int,
    *,
    force: bool = False,
    report: Report = lambda progress: None,
    body: Callable[..., None] = render_as_rank,
) -> dict[str, Any]:
    """Render a take with the network's blocks cut up among several processes.

    Each pass goes through all ranks one after another; the first one encodes, the last one
    decodes a chunk while the others have begun the next. This is for networks that a single GPU
    does not hold. Blocks are moved to other ranks first if that pays, by what each is measured to
    take. The files are those of ``render``. ``body`` is what each process runs.

    Raises: as ``render``; ConfigError when there are fewer GPUs or blocks than ranks, or the plan
        needs what ranks cannot do; RenderProcessError when a process dies.
    """
    plan, request = take.plan, take.request
    check(plan, request, force=force)
    if ranks > preset.dit.num_layers:
        raise ConfigError(
            f"--gpus {ranks}: the network of preset {preset.name} has {preset.dit.num_layers} "
            "blocks to share; use at most so many"
        )
    if plan.loras or plan.is_steered or plan.quantization:
        raise ConfigError(
            "--gpus shares a network without LoRAs, VACE and fp8; leave them or --gpus out"
        )
    return _render_by(
        *(body, preset, folders, take, ranks),
        memory_plan=MemoryPlan(pairs_chunks=False),  # passes are of one chunk each
        force=force,
        report=report,
    )


def _render_by(
    body: Callable[..., None],
    preset: Preset,
    folders: Folders,
    take: Take,
    count: int,
    *more: Any,
    memory_plan: MemoryPlan | None = None,
    force: bool,
    report: Report,
) -> dict[str, Any]:
    """Render in processes with this body, each on a device of its own.

    ``memory_plan`` is theirs; without one each makes that of a whole network.
    """
    plan, request = take.plan, take.request
    renderer = open_renderer(preset, folders, request.device, request.dtype)
    devices = _devices(renderer.device, count)
    memory_plan = memory_plan or renderer.memory_plan(plan)
    outline = outline_of(renderer, preset, folders, plan, memory_plan)
    outline.prompt_embeddings(plan.prompt_texts)  # once, before all processes ask for them
    with hidden_folder(result_path(request.output)) as folder:
        jobs = [
            ProcessJob(preset, folders, plan, request, str(device), folder, rank, count)
            for rank, device in enumerate(devices)
        ]
        with ProcessFrames(body, jobs, *more) as frames:
            return render(
                *(replace(outline, frames=frames, processes=count), plan, request),
                force=force,
                report=report,
                timeline_sha256=take.timeline_sha256,
            )


def _devices(first: torch.device, count: int) -> Sequence[torch.device]:
    if first.type != "cuda":
        return [first] * count
    here = [torch.device(name) for name in available_devices() if name.startswith("cuda")]
    if count > len(here):
        raise ConfigError(f"{count} processes need a GPU each; there are {len(here)} here")
    return here[:count]
