"""The manifest beside a result: all that is needed to check it and to render it again."""

from __future__ import annotations

import platform
import resource
import sys
from importlib.metadata import version
from typing import Any

import torch

from rushes.memory.estimate import can_pair_chunks
from rushes.models.attention import chosen_kernel
from rushes.rendering.machine_kind import cpu_capability
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.request import RenderRequest
from rushes.rows.row_batch import keeps_bits
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.version import __version__
from rushes.weights.device import device_name

SCHEMA_VERSION = 1
_PACKAGES = ("torch", "av", "numpy", "transformers", "safetensors")
ROWS_ROUND = (
    "up to {} renders shared the passes of the network in {}; the last bits of the frames may "
    "differ from those of a render alone"
)
RANDOM_WEIGHTS = "the weights of preset {} are random: its pictures mean nothing"


def build_manifest(
    pipeline: Pipeline,
    plan: RenderPlan,
    request: RenderRequest,
    *,
    sources_sha256: dict[str, Any],
    frames_sha256: str,
    seconds: dict[str, float],
    first_chunk: int,
    num_save_points: int,
    warnings: tuple[str, ...],
) -> dict[str, Any]:
    """Return the manifest as JSON-safe data.

    ``first_chunk`` is where the process that completed the render began.
    Units: ``seconds`` by stage, of that process; memory in bytes.
    """
    preset = pipeline.preset
    models = pipeline.models
    if pipeline.most_rows > 1 and pipeline.rounds_in_rows:
        dtype = str(models.dtype).removeprefix("torch.")
        warnings = (*warnings, ROWS_ROUND.format(pipeline.most_rows, dtype))
    is_random = preset.random_weights_seed is not None
    if is_random:
        warnings = (RANDOM_WEIGHTS.format(preset.name), *warnings)
    return {
        "schema_version": SCHEMA_VERSION,
        **_pictures(plan, request),
        "seed": plan.seed,
        "preset": preset.name,
        "profile": plan.profile,
        "random_weights": is_random,
        "frames_sha256": frames_sha256,
        "sha256": {**sources_sha256, "weights": pipeline.weights_sha256},
        "request": request.to_dict(),
        "lora_folders": list(map(str, pipeline.folders.loras)) if plan.loras else [],
        **_computation(pipeline, plan, request),
        "versions": versions(),
        "timings": {stage: round(value, 4) for stage, value in seconds.items()},
        "peak_memory": peak_memory(pipeline.models.device),
        "resumed_at_chunk": first_chunk,
        "save_points": num_save_points,
        "warnings": list(warnings),
        "plan": plan.to_dict(),
    }


def _pictures(plan: RenderPlan, request: RenderRequest) -> dict[str, Any]:
    """Return how many pictures there are, how large, and at which rate."""
    return {
        "num_frames": plan.num_frames,
        "fps": float(plan.fps),
        "fps_exact": str(plan.fps),
        "width": plan.width,
        "height": plan.height,
        "enlarged": _enlarged(plan, request),
    }


def _enlarged(plan: RenderPlan, request: RenderRequest) -> dict[str, Any] | None:
    times = request.enlarge
    if times == 1:
        return None
    size = {"width": plan.width * times, "height": plan.height * times}
    return {"times": times, "filter": "lanczos", **size}


def _computation(pipeline: Pipeline, plan: RenderPlan, request: RenderRequest) -> dict[str, Any]:
    """Return where and how the frames were computed."""
    models, memory = pipeline.models, pipeline.memory_plan
    normalises = plan.normalise_latents
    takes = 1 if keeps_bits(models.device, models.dtype) else pipeline.most_rows
    return {
        "device": device_name(models.device),
        "dtype": str(models.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cpu_capability": cpu_capability(),
        "attention": chosen_kernel(models.device, models.dtype)[0],
        "noise": plan.noise,
        "noise_device": plan.noise_device,
        "normalise_latents": models.normalise_encoded if normalises is None else normalises,
        "positions": plan.positions,
        "graphs": pipeline.replays_steps(plan, request.graphs),
        "rows": pipeline.most_rows,
        "processes": pipeline.processes,
        "blocks_of_ranks": pipeline.blocks_of_ranks and list(pipeline.blocks_of_ranks),
        "quantise": memory.quantise,
        "text_encoder_on_cpu": memory.text_encoder_on_cpu,
        "pairs_chunks": memory.pairs_chunks and can_pair_chunks(plan.variant, plan.num_rows, takes),
    }


def versions() -> dict[str, str]:
    """Return the versions of everything that can change a picture."""
    found = {name: version(name) for name in _PACKAGES}
    cuda = {"cuda": torch.version.cuda} if torch.version.cuda else {}
    return {"rushes": __version__, "python": platform.python_version(), **found, **cuda}


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory that this process had, on the host and on its GPU, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    memory = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if device.type == "cuda":
        memory["device"] = torch.cuda.max_memory_allocated(device)
    return memory
