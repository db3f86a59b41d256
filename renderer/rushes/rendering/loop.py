"""The render loop: reads input ahead, writes results behind, saves state.

Three things happen at the same time: the input of the next chunks is read, one chunk is rendered,
and the one before is written.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from rushes.files.publish import written_as
from rushes.models.caches.snapshot import Snapshot
from rushes.rendering.chunk_reader import ChunkReader, ChunkSource
from rushes.rendering.contact_frames import ContactFrames, caption
from rushes.rendering.frames import Frames, wanted_frames
from rushes.rendering.save_points import SavePoint, SavePoints, SavePolicy
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.transfer import Arriving, fetch
from rushes.video.frame_hash import FrameHash
from rushes.video.write.enlarge import enlarged
from rushes.video.write.writer import VideoWriter

_READ_AHEAD = 2  # chunks


@dataclass(frozen=True)
class Progress:
    """How far a render has come, after a chunk was written."""

    chunk: int
    num_chunks: int
    frame: int
    num_frames: int
    frames_per_second: float
    seconds_left: float
    prompt: str
    last_frame: Frames


Report = Callable[[Progress], None]


class FrameSource(Protocol):
    """Where the frames of chunks come from: a stream, or several processes."""

    def prepare(self, chunk: Chunk, inputs: ChunkInputs) -> None:
        """Prepare a chunk that will come, in the thread that reads."""
        ...

    def render(self, chunks: Iterable[tuple[Chunk, ChunkInputs]]) -> Iterator[Tensor]:
        """Yield the frames of chunk after chunk, as ``Stream.render``."""
        ...


class StopRender(Exception):  # a request, not an error
    """Raised by a report to end the render; with ``save`` its state is saved first."""

    def __init__(self, reason: str, *, save: bool) -> None:
        super().__init__(reason)
        self.save = save


class Output:
    """Takes rendered chunks, in order, in the thread that writes."""

    def __init__(
        self,
        plan: RenderPlan,
        writer: VideoWriter,
        contact_frames: ContactFrames,
        clock: StageClock,
        *,
        enlarge: int = 1,
    ) -> None:
        self._plan, self._writer, self._enlarge = plan, writer, enlarge
        self._write = clock.timed_on_host("write", writer.write)
        self._begin = time.monotonic()
        self._first_frame = 0
        self.frame_hash = FrameHash()
        self.contact_frames = contact_frames

    def resume(self, point: SavePoint) -> None:
        """Go on from a save point."""
        self._writer.resume(point.segments, point.pending)
        self.frame_hash = FrameHash.resumed(point.frame_hash)
        self._first_frame = self._writer.num_frames

    def take(self, chunk: Chunk, rendered: Tensor, source: Frames | None) -> Progress:
        """Write the frames of a chunk; those beyond the end of the plan are dropped."""
        frames = wanted_frames(self._plan, chunk, rendered)
        self.frame_hash.update(frames)
        with written_as(self._writer.path):
            self.contact_frames.take(chunk.first_frame, frames, source)
        self._write(enlarged(frames, self._enlarge))
        frame = chunk.first_frame + len(frames)
        rate = (frame - self._first_frame) / max(time.monotonic() - self._begin, 1e-6)
        return Progress(
            chunk=chunk.index + 1,
            num_chunks=len(self._plan.chunks),
            frame=frame,
            num_frames=self._plan.num_frames,
            frames_per_second=rate,
            seconds_left=(self._plan.num_frames - frame) / rate,
            prompt=caption(self._plan, chunk.prompt_block),
            last_frame=frames[-1],
        )

    def save_point(self, next_chunk: int, stream: Snapshot) -> SavePoint:
        """Return the state of render and stream; all earlier chunks must have been taken."""
        pending = self._writer.pending_frames
        empty = np.empty((0, self._plan.height, self._plan.width, 3), np.uint8)
        return SavePoint(
            next_chunk=next_chunk,
            stream=stream,
            segments=tuple(self._writer.segments),
            pending=np.stack(pending) if pending else empty,
            frame_hash=self.frame_hash.state(),
        )


class Saver:
    """Saves the state of a render whenever its policy says so."""

    def __init__(
        self, points: SavePoints, policy: SavePolicy, stream: Stream, first_chunk: int
    ) -> None:
        self._points, self._policy, self._stream = points, policy, stream
        self._last_chunk, self._last_time = first_chunk, time.monotonic()
        self.count = 0

    def is_due(self, next_chunk: int) -> bool:
        return self._policy.is_due(
            next_chunk - self._last_chunk,
            time.monotonic() - self._last_time,
            self._points.cost_seconds,
        )

    def save(self, output: Output, next_chunk: int) -> None:
        point = output.save_point(next_chunk, self._stream.snapshot())
        self._points.save(point)
        self._last_chunk, self._last_time = point.next_chunk, time.monotonic()
        self.count += 1


def run_loop(
    source: FrameSource,
    plan: RenderPlan,
    reader: ChunkReader,
    output: Output,
    saver: Saver | None,
    clock: StageClock,
    report: Report,
    first_chunk: int,
) -> None:
    """Read ahead, render, write behind, save."""
    chunks = plan.chunks[first_chunk:]
    sources: deque[Frames | None] = deque()  # the inputs of the chunks being rendered
    written: Future[Progress] | None = None
    next_chunk = first_chunk

    def inputs() -> Iterator[tuple[Chunk, ChunkInputs]]:
        read = clock.timed_on_host("read", reader.read)
        prepare = clock.timed_on_host("prepare", source.prepare)
        for chunk, made_of in _read_ahead(chunks, reading, read, prepare):
            sources.append(made_of.shown)
            yield chunk, made_of.inputs

    with ThreadPoolExecutor(1, "read") as reading, ThreadPoolExecutor(1, "write") as writing:
        try:
            for chunk, frames in zip(chunks, source.render(inputs()), strict=True):
                before = written
                arriving = fetch(frames)
                written = writing.submit(_take, output, chunk, arriving, sources.popleft())
                next_chunk = chunk.index + 1
                if before is not None:
                    report(before.result())
                if saver is not None and saver.is_due(next_chunk):
                    done, written = written.result(), None
                    saver.save(output, next_chunk)
                    report(done)
            if written is not None:
                report(written.result())
        except StopRender as stop:
            if written is not None:
                written.result()
            if stop.save and saver is not None:
                saver.save(output, next_chunk)
            raise


def _take(output: Output, chunk: Chunk, frames: Arriving, source: Frames | None) -> Progress:
    return output.take(chunk, frames.wait(), source)


def _read_ahead(
    chunks: tuple[Chunk, ...],
    pool: ThreadPoolExecutor,
    read: Callable[[Chunk], ChunkSource],
    prepare: Callable[[Chunk, ChunkInputs], None],
) -> Iterator[tuple[Chunk, ChunkSource]]:
    """Yield every chunk with its inputs, while those of the next ones are read and prepared."""

    def read_one(chunk: Chunk) -> ChunkSource:
        source = read(chunk)
        prepare(chunk, source.inputs)
        return source

    ahead: deque[tuple[Chunk, Future[ChunkSource]]] = deque()
    for chunk in chunks:
        ahead.append((chunk, pool.submit(read_one, chunk)))
        if len(ahead) > _READ_AHEAD:
            ready, source = ahead.popleft()
            yield ready, source.result()
    for ready, source in ahead:
        yield ready, source.result()
