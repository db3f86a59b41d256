"""A process that renders sections of a plan and leaves their frames in a folder."""

from __future__ import annotations

from contextlib import closing
from multiprocessing.queues import Queue
from typing import Any

from rushes.rendering.chunk_reader import ChunkReader
from rushes.rendering.fitted import open_renderer
from rushes.rendering.machine_kind import computing_threads
from rushes.rendering.processes.words import ProcessJob, hand_over, telling_the_end
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import RenderPlan


def render_sections_of(job: ProcessJob, sections: Queue[range | None], said: Queue[Any]) -> None:
    """Render sections as they come, until there are none; the body of a process."""
    with telling_the_end(said) as told:
        renderer = open_renderer(job.preset, job.folders, job.device, job.request.dtype)
        pipeline = renderer.load(job.plan).for_plan(job.plan, job.request.timeline.parent)
        clock = StageClock(pipeline.models.device)
        with (
            computing_threads(job.request.threads, pipeline.models.device),
            closing(ChunkReader(job.plan, job.request)) as reader,
            pipeline.with_loras() as layers,
        ):
            while (section := sections.get()) is not None:
                stream = pipeline.open_stream(job.plan, clock, layers, job.request.graphs)
                follow(stream, job.plan, reader, section.start)
                _render_section(stream, job, reader, section, said)
        told.add(clock.seconds())


def _render_section(
    stream: Stream, job: ProcessJob, reader: ChunkReader, section: range, said: Queue[Any]
) -> None:
    chunks = job.plan.chunks[section.start : section.stop]
    inputs = ((chunk, reader.read(chunk).inputs) for chunk in chunks)
    for chunk, frames in zip(chunks, stream.render(inputs), strict=True):
        hand_over(frames, chunk.index, job.folder, said)


def follow(stream: Stream, plan: RenderPlan, reader: ChunkReader, end: int) -> None:
    """Bring a new stream to where it would be had it rendered all chunks before ``end``.

    What a reset forgets is left out; of the input only the frames that the noise controller
    remembers are read.
    """
    with_input = [chunk.index for chunk in plan.chunks[:end] if chunk.noise_scale is not None]
    for chunk in plan.chunks[:end]:
        is_last = chunk.index in with_input[-1:]
        stream.follow(chunk, reader.read(chunk).inputs.video if is_last else None)
