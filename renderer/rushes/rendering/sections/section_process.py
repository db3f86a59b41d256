"""A process that renders sections of a plan and leaves their frames in a folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np

from rushes.files.folders import Folders
from rushes.presets.preset import Preset
from rushes.rendering.chunk_reader import ChunkReader
from rushes.rendering.fitted import open_renderer
from rushes.rendering.machine_kind import computing_threads
from rushes.rendering.request import RenderRequest
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import RenderPlan


@dataclass(frozen=True)
class SectionJob:
    """What every process is told: one render, its own device, and where its frames go."""

    preset: Preset
    folders: Folders
    plan: RenderPlan
    request: RenderRequest
    device: str
    folder: Path


@dataclass(frozen=True)
class Made:
    """A chunk whose frames are in their file."""

    chunk: int


@dataclass(frozen=True)
class Ended:
    """A process has nothing more to do: how long its stages took, or why it failed."""

    seconds: dict[str, float]
    error: Exception | None = None


def render_sections_of(job: SectionJob, sections: Queue[range | None], said: Queue[Any]) -> None:
    """Render sections as they come, until there are none; the body of a process.

    Every chunk's frames get a file of their own (``frames_file``), and ``said`` a ``Made``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes itself
    clock: StageClock | None = None
    try:
        renderer = open_renderer(job.preset, job.folders, job.device, job.request.dtype)
        pipeline = renderer.load(job.plan).for_plan(job.plan, job.request.timeline.parent)
        clock = StageClock(pipeline.models.device)
        with (
            computing_threads(job.request.threads, pipeline.models.device),
            closing(ChunkReader(job.plan, job.request)) as reader,
            pipeline.with_loras() as layers,
        ):
            while (section := sections.get()) is not None:
                stream = pipeline.open_stream(job.plan, clock, layers)
                follow(stream, job.plan, reader, section.start)
                _render_section(stream, job, reader, section, said)
    except Exception as error:
        said.put(Ended({}, error))
    else:
        said.put(Ended(clock.seconds()))


def _render_section(
    stream: Stream, job: SectionJob, reader: ChunkReader, section: range, said: Queue[Any]
) -> None:
    chunks = job.plan.chunks[section.start : section.stop]
    inputs = ((chunk, reader.read(chunk).inputs) for chunk in chunks)
    for chunk, frames in zip(chunks, stream.render(inputs), strict=True):
        path = frames_file(job.folder, chunk.index)
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            np.save(file, frames.cpu().numpy())
        os.replace(unfinished, path)
        said.put(Made(chunk.index))
        parent = parent_process()
        if parent is not None and not parent.is_alive():
            raise SystemExit(1)  # nobody waits for this any more


def follow(stream: Stream, plan: RenderPlan, reader: ChunkReader, end: int) -> None:
    """Bring a new stream to where it would be had it rendered all chunks before ``end``.

    What a reset forgets is left out; of the input only the frames that the noise controller
    remembers are read.
    """
    before: Sequence[int] = [
        chunk.index for chunk in plan.chunks[:end] if chunk.noise_scale is not None
    ]
    for chunk in plan.chunks[:end]:
        is_last = bool(before) and chunk.index == before[-1]
        stream.follow(chunk, reader.read(chunk).inputs.video if is_last else None)


def frames_file(folder: Path, chunk: int) -> Path:
    """Return where the frames of a chunk lie, [T, H, W, 3] in uint8."""
    return folder / f"{chunk:06}.npy"
