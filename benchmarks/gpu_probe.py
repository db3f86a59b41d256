"""What a GPU is really asked for in a chunk: launches by the profiler, and waits; for gpu_check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from rushes.bench.measure import BenchOptions
from rushes.bench.short_stream import open_random_stream, plan_chunks
from rushes.presets.preset import Preset
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stream import Models

_WAITS = "called a synchronizing"  # in PyTorch's warning


def probe(models: Models, preset: Preset, options: BenchOptions) -> dict[str, int]:
    """Return the operations, launches and waits of one chunk behind those of the warm-up.

    ``operations`` are what PyTorch's front end is called for, ``launches`` what the GPU runs,
    copies included, ``waits`` how often the host waits for it; the last two are 0 on a CPU.
    """
    chunks = _chunks(models, preset, options)
    for _ in range(options.warmup):
        next(chunks)
    uses_gpu = options.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * uses_gpu
    with profile(activities=activities) as profiled:
        next(chunks)
        if uses_gpu:
            torch.cuda.synchronize(options.device)
    events = profiled.events() or []
    on_gpu = [event for event in events if str(event.device_type).endswith("CUDA")]
    called = [event for event in events if event.name.startswith("aten::") and not event.cpu_parent]
    return {
        "operations": len(called),
        "launches": len(on_gpu),
        "waits": _count_waits(chunks) if uses_gpu else 0,
    }


def _count_waits(chunks: Iterator[Tensor]) -> int:
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            next(chunks)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum(_WAITS in str(warning.message) for warning in caught)


def _chunks(models: Models, preset: Preset, options: BenchOptions) -> Iterator[Tensor]:
    count = options.warmup + 2
    plan = plan_chunks(preset, options.size, options.steps, count, options.vae_type)
    width, height = options.size
    inputs = (
        (
            chunk,
            ChunkInputs(video=torch.zeros(chunk.num_frames, height, width, 3, dtype=torch.uint8)),
        )
        for chunk in plan.chunks
    )
    how: dict[str, Any] = {"graphs": options.graphs, "overlaps": options.overlaps}
    return open_random_stream(models, preset, plan, **how).render(inputs)
