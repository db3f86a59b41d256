"""From a plan to a video, its manifest and its contact sheet: the one way that a render runs.

Three things go on at the same time: the next chunk's input is read, this chunk is rendered, and the
one before is written.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rushes.contact_frames import ContactFrames, caption
from rushes.errors import ConfigError, ConflictError
from rushes.file_hash import sha256_of
from rushes.manifest import build_manifest
from rushes.pipeline import Pipeline
from rushes.request import RenderRequest
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import (
    FixedNoiseScale,
    NoiseController,
    ScopeNoiseController,
)
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ChunkInputs, Stream
from rushes.timeline.document import Audio
from rushes.timeline.render_plan import Chunk, RenderPlan
from rushes.video.audio import AudioSource
from rushes.video.contact_sheet import save_contact_sheet
from rushes.video.frame_hash import FrameHash
from rushes.video.publish import PendingOutput
from rushes.video.reader import VideoReader
from rushes.video.writer import VideoWriter, open_writer

Frames = NDArray[np.uint8]  # [T, H, W, 3]
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


def render(
    pipeline: Pipeline,
    plan: RenderPlan,
    request: RenderRequest,
    *,
    force: bool = False,
    report: Report = lambda progress: None,
) -> dict[str, Any]:
    """Render a plan into ``request.output`` and return the manifest that is written beside it.

    Nothing appears at a final name before everything is complete.

    Raises: ConflictError when a result is there already, unless ``force``; InputError, VideoError,
        CheckpointError, ConfigError as the parts do.
    """
    refuse_conflicts(request, force)
    begin = time.time()
    clock = StageClock(pipeline.models.device)
    with ExitStack() as stack:
        reader = stack.enter_context(_open_reader(plan, request)) if plan.takes_input else None
        input_sha256 = None if request.input is None else sha256_of(request.input)
        writer = stack.enter_context(_open_writer(plan, request, force))
        stream = _open_stream(pipeline, plan, clock)
        output = _Output(plan, writer, clock)
        _run(stream, plan, reader, output, clock, report)
        manifest = build_manifest(
            pipeline,
            plan,
            request,
            input_sha256=input_sha256,
            frames_sha256=output.frame_hash.hexdigest(),
            seconds=clock.seconds() | {"total": time.time() - begin},
            warnings=(*plan.warnings, *writer.warnings),
        )
        contact = output.contact_frames
        sheet = stack.enter_context(PendingOutput(request.sheet_path))
        save_contact_sheet(sheet.temporary, contact.tiles, num_blocks=contact.num_blocks)
        text = stack.enter_context(PendingOutput(request.manifest_path))
        text.temporary.write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
        writer.close()
        sheet.publish()
        text.publish()
    return manifest


def refuse_conflicts(request: RenderRequest, force: bool) -> None:
    """Look before hours of work whether a result would replace another, or its own input.

    Raises: ConflictError; ConfigError when the result would replace what it is made from.
    """
    results = (request.output, request.manifest_path, request.sheet_path)
    sources = {path.resolve() for path in (request.timeline, request.input) if path is not None}
    for path in results:
        if path.resolve() in sources:
            raise ConfigError(f"{path}: the result would replace its own source; choose another -o")
        if path.exists() and not force:
            raise ConflictError(f"{path}: is there already; choose another -o, or give --force")


def _run(
    stream: Stream,
    plan: RenderPlan,
    reader: VideoReader | None,
    output: _Output,
    clock: StageClock,
    report: Report,
) -> None:
    """Read ahead, render, write behind."""
    with ThreadPoolExecutor(1, "read") as reading, ThreadPoolExecutor(1, "write") as writing:
        sources: deque[Frames | None] = deque()  # input frames of the chunks being rendered

        def inputs() -> Iterator[tuple[Chunk, ChunkInputs]]:
            for chunk, frames in _read_ahead(plan, reader, reading, clock):
                sources.append(frames)
                yield chunk, chunk_inputs(plan, frames)

        written: Future[Progress] | None = None
        for chunk, frames in zip(plan.chunks, stream.render(inputs()), strict=True):
            if written is not None:
                report(written.result())
            written = writing.submit(output.take, chunk, frames, sources.popleft())
        if written is not None:
            report(written.result())


def chunk_inputs(plan: RenderPlan, frames: Frames | None) -> ChunkInputs:
    """Say what the input frames of a chunk are for: the start of its latents, or its control."""
    if frames is None:
        return ChunkInputs()
    if plan.vace_context_scale is not None:
        return ChunkInputs(control=torch.from_numpy(frames), control_scale=plan.vace_context_scale)
    return ChunkInputs(video=torch.from_numpy(frames))


def _read_ahead(
    plan: RenderPlan, reader: VideoReader | None, pool: ThreadPoolExecutor, clock: StageClock
) -> Iterator[tuple[Chunk, Frames | None]]:
    """Yield every chunk with its input frames, the next ones being read meanwhile."""
    if reader is None:
        yield from ((chunk, None) for chunk in plan.chunks)
        return
    read = clock.timed("read", reader.read)
    ahead: deque[tuple[Chunk, Future[Frames]]] = deque()
    for chunk in plan.chunks:
        ahead.append((chunk, pool.submit(read, chunk.first_frame, chunk.num_frames)))
        if len(ahead) > _READ_AHEAD:
            ready, frames = ahead.popleft()
            yield ready, frames.result()
    for ready, frames in ahead:
        yield ready, frames.result()


class _Output:
    """Takes rendered chunks, in order, in the thread that writes."""

    def __init__(self, plan: RenderPlan, writer: VideoWriter, clock: StageClock) -> None:
        self._plan = plan
        self._write = clock.timed("write", writer.write)
        self._begin = time.monotonic()
        self.frame_hash = FrameHash()
        self.contact_frames = ContactFrames(plan)

    def take(self, chunk: Chunk, rendered: Tensor, source: Frames | None) -> Progress:
        """Write the frames of a chunk; those beyond the end of the plan are dropped."""
        count = min(chunk.num_frames, self._plan.num_frames - chunk.first_frame)
        frames = np.ascontiguousarray(rendered.cpu().numpy()[:count])
        self.frame_hash.update(frames)
        self.contact_frames.take(chunk.first_frame, frames, source)
        self._write(frames)
        frame = chunk.first_frame + count
        rate = frame / max(time.monotonic() - self._begin, 1e-6)
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


def _open_reader(plan: RenderPlan, request: RenderRequest) -> VideoReader:
    if request.input is None:
        raise ConfigError(
            f"{request.timeline}: is video to video; give --input VIDEO, or --mode text"
        )
    return VideoReader(
        request.input,
        fps=plan.fps,
        height=plan.height,
        width=plan.width,
        fit=request.fit,
        # The plan ends with the input on "stop"; only its last chunk may need a frame more.
        at_end="hold" if plan.at_end == "stop" else plan.at_end,
        one_to_one=plan.frames_one_to_one,
    )


def _open_writer(plan: RenderPlan, request: RenderRequest, force: bool) -> VideoWriter:
    return open_writer(
        request.output,
        fps=plan.fps,
        width=plan.width,
        height=plan.height,
        codec=request.codec or plan.output.codec,
        crf=plan.output.crf if request.crf is None else request.crf,
        hardware=request.hardware_encoder,
        audio=_choose_audio(plan, request),
        replace=force,
    )


def _choose_audio(plan: RenderPlan, request: RenderRequest) -> AudioSource | None:
    """Return the sound that goes with the result: the command line wins over the timeline."""
    match request.audio, plan.audio:
        case ("none", _) | (None, None | Audio(source="none")):
            return None
        case ("input", _) | (None, Audio(source="input")):
            if request.input is None:
                raise ConfigError("audio is the input's, but there is no --input")
            return AudioSource(request.input)
        case (None, Audio(uri=str(uri), offset_seconds=offset)):
            return AudioSource(request.timeline.parent / uri, Fraction(str(offset)))
        case (str(path), _):
            return AudioSource(Path(path))
    return None


def _open_stream(pipeline: Pipeline, plan: RenderPlan, clock: StageClock) -> Stream:
    texts = [prompt.text for prompts in plan.prompts.values() for prompt in prompts]
    embeddings = clock.timed("prompts", pipeline.prompt_embeddings)(texts)
    chunk_spec = pipeline.preset.chunk
    controller: NoiseController = FixedNoiseScale()
    if plan.noise_controller:
        controller = ScopeNoiseController(chunk_spec.latent_frames)
    return Stream(
        pipeline.models,
        height=plan.height,
        width=plan.width,
        window=chunk_spec.window,
        sinks=chunk_spec.sinks,
        prompts=plan.prompts,
        conditioning=Conditioning(embeddings.__getitem__, plan.spatial_method),
        noise_controller=controller,
        clock=clock,
    )
