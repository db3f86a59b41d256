"""How fast a preset renders here: each stage, whole chunks, and the share of the floor."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import torch

from rushes.bench.floor import floor, known_gpu
from rushes.bench.random_networks import random_models
from rushes.bench.short_stream import FPS, open_random_stream, plan_chunks
from rushes.files.resources import data_folder
from rushes.models.dit import CausalDit
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset
from rushes.rendering.manifest import peak_memory, versions
from rushes.rows.row_batch import RowBatch
from rushes.rows.shared_encoder import SharedEncoder
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Models
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.transfer import Arriving, fetch
from rushes.video.read.reader import VideoReader
from rushes.video.write.writer import open_writer
from rushes.weights.device import device_name

STAGES = ("read", "encode", "denoise", "clean pass", "decode", "write")


@dataclass(frozen=True)
class BenchOptions:
    """What is measured; ``steps`` and ``vae_type`` are the preset's, unless given.

    ``takes`` are rows of one batch. ``warmup`` chunks, in which caches fill and kernels are
    chosen, are not counted. ``num_blocks``: fewer than the network has. ``graphs``: steps are
    replayed; ``overlaps``: encoding and decoding run beside the passes.
    """

    device: torch.device
    dtype: torch.dtype
    size: tuple[int, int] = (832, 480)
    steps: tuple[int, ...] | None = None
    vae_type: VaeType | None = None
    takes: int = 1
    chunks: int = 8
    warmup: int = 7
    num_blocks: int | None = None
    graphs: bool = False
    overlaps: bool = False


@dataclass
class _Row:
    """One take: its plan, and what was measured of it."""

    plan: RenderPlan
    clock: StageClock
    seconds: list[float] = field(default_factory=list)  # of each chunk
    at_start: dict[str, float] = field(default_factory=dict)
    at_end: dict[str, float] = field(default_factory=dict)


def measure(preset: Preset, options: BenchOptions, models: Models | None = None) -> dict[str, Any]:
    """Render chunks with random networks, or with these, and return the figures, JSON-safe.

    Frames a second are those of all takes together, from the median chunk; ``slowest`` and
    ``fastest`` are of single chunks. Reading and writing a file are measured by themselves here;
    a render does them meanwhile, in threads.
    Units: milliseconds a chunk, frames a second, bytes
    """
    num_chunks = options.warmup + options.chunks
    vae_type = options.vae_type or preset.vae.type
    plans = [
        plan_chunks(preset, options.size, options.steps, num_chunks, vae_type, seed)
        for seed in range(options.takes)
    ]
    rows = [_Row(plan, StageClock(options.device)) for plan in plans]
    if models is None:
        arguments = (preset, options.device, options.dtype, vae_type, options.num_blocks)
        models = random_models(*arguments)
    _render(models, preset, rows, options)
    return _figures(preset, replace(options, vae_type=vae_type), rows[0])


def _render(models: Models, preset: Preset, rows: list[_Row], options: BenchOptions) -> None:
    """Render all rows at once, each in a thread of its own where there are several."""
    if len(rows) == 1:
        _render_row(models, preset, rows[0], options)
        return
    batch, encoder = RowBatch(models.dit), SharedEncoder(models.vae)
    together = threading.Barrier(len(rows))
    with ExitStack() as stack, ThreadPoolExecutor(len(rows)) as threads:
        entered = [(ExitStack(), row) for row in rows]
        networks = [end.enter_context(batch.row()) for end, _ in entered]

        def one(end: ExitStack, row: _Row, network: Any) -> None:
            shared = replace(models, dit=cast("CausalDit", network), vae=encoder)
            with end:
                together.wait()
                _render_row(shared, preset, row, options)

        for end, _ in entered:
            stack.push(end)
        jobs = [
            threads.submit(one, end, row, network)
            for (end, row), network in zip(entered, networks, strict=True)
        ]
        for job in jobs:
            job.result()


def _render_row(models: Models, preset: Preset, row: _Row, options: BenchOptions) -> None:
    how: dict[str, Any] = {"graphs": options.graphs, "overlaps": options.overlaps}
    stream = open_random_stream(models, preset, row.plan, row.clock, **how)
    width, height = options.size
    clip = data_folder("timelines") / "meadow.mp4"
    reader = VideoReader(clip, fps=Fraction(FPS), height=height, width=width)
    with tempfile.TemporaryDirectory() as folder, reader:
        out = Path(folder) / "out.mp4"
        writer = open_writer(out, fps=Fraction(FPS), width=width, height=height)
        read = row.clock.timed_on_host("read", reader.read)
        write = row.clock.timed_on_host("write", writer.write)

        def inputs() -> Iterator[tuple[Any, ChunkInputs]]:
            for chunk in row.plan.chunks:
                video = torch.from_numpy(read(chunk.first_frame, chunk.num_frames))
                yield chunk, ChunkInputs(video=video)

        begin = time.perf_counter()
        before: Arriving | None = None
        for index, frames in enumerate(stream.render(inputs())):
            arriving = fetch(frames)
            if before is not None:  # written while the device works on the next ones
                write(before.wait().numpy())
            before = arriving
            end = time.perf_counter()
            row.seconds.append(end - begin)
            begin = end
            if index == options.warmup - 1:
                row.at_start = row.clock.seconds()
        row.at_end = row.clock.seconds()
        writer.abort()


def _figures(preset: Preset, options: BenchOptions, row: _Row) -> dict[str, Any]:
    """Return what was measured of the first row; the others are at the same chunks."""
    counted = row.seconds[options.warmup :]
    median = statistics.median(counted)
    frames = options.takes * preset.chunk.num_frames("video", is_first=False)
    stages = {
        stage: (row.at_end[stage] - row.at_start.get(stage, 0)) * 1000 / len(counted)
        for stage in STAGES
        if stage in row.at_end
    }
    steps = row.plan.chunks[-1].denoising_steps
    least = _floor(preset, options, len(steps))
    return {
        "preset": preset.name,
        "size": "x".join(map(str, options.size)),
        "steps": list(steps),
        "vae": options.vae_type,
        "blocks": options.num_blocks or preset.dit.num_layers,
        "device": device_name(options.device),
        "dtype": str(options.dtype).removeprefix("torch."),
        "takes": options.takes,
        "graphs": options.graphs,
        "overlaps": options.overlaps,
        "chunks": len(counted),
        "frames_per_second": frames / median,
        "slowest": frames / max(counted),
        "fastest": frames / min(counted),
        "ms_per_chunk": stages,
        "ms_together": median * 1000,
        "floor_ms": least,
        "share_of_floor": sum(least.values()) / (median * 1000) if least else None,
        "peak_memory": peak_memory(options.device),
        "versions": versions(),
    }


def _floor(preset: Preset, options: BenchOptions, num_steps: int) -> dict[str, float]:
    """Return the least milliseconds of a chunk of all takes; nothing for an unknown device."""
    gpu = known_gpu(device_name(options.device))
    if gpu is None:
        return {}
    size = "x".join(map(str, options.size))
    vae_type = options.vae_type or preset.vae.type
    once = floor(preset, size, num_steps, gpu, vae_type, options.num_blocks)
    return {
        stage: least * (1 if stage == "encode" else options.takes) for stage, least in once.items()
    }
