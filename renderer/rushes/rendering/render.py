"""From a plan to a video, its manifest and its contact sheet: the one way that a render runs."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from rushes.errors import ConfigError
from rushes.files.hashes import sha256_of
from rushes.files.hidden_folder import hidden_folder
from rushes.files.publish import PendingOutput, make_folder
from rushes.rendering.chunk_reader import ChunkReader
from rushes.rendering.contact_frames import ContactFrames
from rushes.rendering.loop import Output, Report, Saver, run_loop
from rushes.rendering.machine_kind import computing_threads, machine_kind, mixture_warnings
from rushes.rendering.manifest import build_manifest
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.request import (
    RenderRequest,
    refuse_conflicts,
    refuse_missing,
    refuse_too_large,
)
from rushes.rendering.save_points import SavePoints
from rushes.rendering.work import KeptWork, Work
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Stream
from rushes.timeline.document import Audio
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.plan.versions import oldest_form
from rushes.video.audio import AudioSource, holds_sound
from rushes.video.contact_sheet import save_contact_sheet
from rushes.video.names import result_path
from rushes.video.write.writer import VideoWriter, choose_format, open_writer
from rushes.weights.lora_files import unused_keys

# Raise this when a plan renders different frames than before: older save points are then not used.
PICTURE_VERSION: Final = "0.2.0"


def render(
    pipeline: Pipeline,
    plan: RenderPlan,
    request: RenderRequest,
    *,
    force: bool = False,
    report: Report = lambda progress: None,
    work: Work | KeptWork | None = None,
    warnings: tuple[str, ...] = (),
    timeline_sha256: str | None = None,
) -> dict[str, Any]:
    """Render a plan into ``request.output`` and return the manifest that is written beside it.

    Nothing appears at a final name before everything is complete. With ``work`` state is saved on
    the way and loaded again; the result has the same bytes as that of an undisturbed render on the
    same kind of machine, and a warning in its manifest if there was another. ``warnings`` are added
    to those of the manifest. ``timeline_sha256`` is the hash of a timeline that is not in a file.

    Raises: ConflictError when a result is there already, unless ``force``; InputError, VideoError,
        CheckpointError, ConfigError as the parts do; StopRender when ``report`` does.
    """
    check(plan, request, force=force)
    pipeline = pipeline.for_plan(plan, request.timeline.parent)
    begin = time.time()
    clock = StageClock(pipeline.models.device)
    with computing_threads(request.threads, pipeline.models.device), ExitStack() as stack:
        reader = stack.enter_context(closing(ChunkReader(plan, request)))
        sources_sha256 = hash_sources(plan, request)
        # now, since the file may be edited later
        timeline_sha256 = timeline_sha256 or sha256_of(request.timeline)
        audio_sha256 = hash_audio(plan, request, sources_sha256)
        identity = identity_of(pipeline, plan, request, sources_sha256, audio_sha256)
        if isinstance(work, KeptWork):
            work = stack.enter_context(work.open(identity))
        staging: Path | None = None
        if work is not None:
            folder = work.folder
        else:
            folder = staging = stack.enter_context(hidden_folder(result_path(request.output)))
        segments_folder = make_folder(folder / "segments")
        writer = stack.enter_context(_open_writer(plan, request, force, segments_folder, staging))
        adapted_layers = stack.enter_context(pipeline.with_loras())
        stream = pipeline.open_stream(plan, clock, adapted_layers, request.graphs)
        tiles = ContactFrames(plan, folder / "tiles")
        output = Output(plan, writer, tiles, clock, enlarge=request.enlarge)
        kind = machine_kind(
            pipeline.models.device,
            uses_cpu=pipeline.uses_cpu,
            pairs_chunks=pipeline.memory_plan.pairs_chunks,
            in_rows=pipeline.rounds_in_rows,
        )
        first_chunk, saver, points = 0, None, None
        if work is not None:
            points = SavePoints(folder / "saves", segments_folder, identity, kind, work.on_saved)
            stack.callback(points.close)
            first_chunk = _take_up(points, stream, output)
            saver = Saver(points, work.policy, stream, first_chunk)
        run_loop(stream, plan, reader, output, saver, clock, report, first_chunk)
        found = unused_keys(pipeline.loras, adapted_layers)
        unused = [each for each in found if each not in plan.warnings]
        manifest = build_manifest(
            pipeline,
            plan,
            request,
            sources_sha256={
                "timeline": timeline_sha256,
                **sources_sha256,
                **({"audio": audio_sha256} if audio_sha256 else {}),
            },
            frames_sha256=output.frame_hash.hexdigest(),
            seconds=clock.seconds() | {"total": time.time() - begin},
            first_chunk=first_chunk,
            num_save_points=saver.count if saver is not None else 0,
            warnings=(
                *(*warnings, *plan.warnings, *unused, *writer.warnings),
                *(mixture_warnings(points.kinds) if points is not None else ()),
            ),
        )
        _publish(request, manifest, writer, output.contact_frames, staging)
    return manifest


def _take_up(points: SavePoints, stream: Stream, output: Output) -> int:
    """Go on from the latest save point; return the chunk with which to begin."""
    point = points.latest()
    if point is None:
        return 0
    stream.restore(point.stream)
    output.resume(point)
    return point.next_chunk


def check(plan: RenderPlan, request: RenderRequest, *, force: bool = False) -> None:
    """Refuse what cannot be rendered into a result before anything is loaded for it.

    Raises: as ``render``.
    """
    refuse_conflicts(request, force)
    refuse_missing(plan, request)
    refuse_too_large(plan, request)
    choose_format(request.output, **_format(plan, request))
    audio = _choose_audio(plan, request)
    if audio is not None:
        holds_sound(audio.path)


def hash_sources(plan: RenderPlan, request: RenderRequest) -> dict[str, Any]:
    """Return the hash of the input, and of the files that steer the render by their names."""
    files = {name: sha256_of(request.file_path(name)) for name in plan.steering_files}
    given = {"input": request.input and sha256_of(request.input)}
    return given | ({"steering": files} if files else {})


def identity_of(
    pipeline: Pipeline,
    plan: RenderPlan,
    request: RenderRequest,
    sources_sha256: dict[str, Any],
    audio_sha256: str | None,
) -> str:
    """Return a hash of everything that decides the bytes of a result; an upgrade keeps it."""
    apart = frozenset(("timeline", "input", "output", "device", "threads", "graphs", "audio"))
    parts = {
        **oldest_form({"plan": plan.to_dict(), "request": request.to_dict(exclude=apart)}),
        "audio": audio_sha256,
        "kind": request.output.suffix.lower(),
        "sources": sources_sha256,
        "weights": pipeline.weights_sha256,
        "dtype": str(pipeline.models.dtype),
        "fit": str(pipeline.memory_plan),
        "version": PICTURE_VERSION,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def hash_audio(
    plan: RenderPlan, request: RenderRequest, sources_sha256: dict[str, Any]
) -> str | None:
    """Return the hash of the file whose sound goes with the result."""
    audio = _choose_audio(plan, request)
    if audio is None:
        return None
    return sources_sha256["input"] if audio.path == request.input else sha256_of(audio.path)


def _publish(
    request: RenderRequest,
    manifest: dict[str, Any],
    writer: VideoWriter,
    contact_frames: ContactFrames,
    staging: Path | None,
) -> None:
    """Complete all three files, then rename them.

    The manifest comes last: where it exists, the files beside it do.
    """
    with PendingOutput(request.sheet_path, staging=staging) as sheet:
        tiles = contact_frames.tiles()
        save_contact_sheet(sheet.temporary, tiles, num_blocks=contact_frames.num_blocks)
        with PendingOutput(request.manifest_path, staging=staging) as text:
            content = json.dumps(manifest, indent=1, ensure_ascii=False)
            text.temporary.write_text(content, encoding="utf-8")
            writer.complete()
            request.manifest_path.unlink(missing_ok=True)
            writer.close()
            sheet.publish()
            text.publish()


def _open_writer(
    plan: RenderPlan, request: RenderRequest, force: bool, folder: Path, staging: Path | None
) -> VideoWriter:
    return open_writer(
        request.output,
        **_format(plan, request),
        audio=_choose_audio(plan, request),
        replace=force,
        folder=folder,
        staging=staging,
    )


def _format(plan: RenderPlan, request: RenderRequest) -> dict[str, Any]:
    """Return how to encode the result, as arguments of ``choose_format``."""
    return {
        "fps": plan.fps,
        "width": plan.width * request.enlarge,
        "height": plan.height * request.enlarge,
        "codec": request.codec or plan.output.codec,
        "crf": plan.output.crf if request.crf is None else request.crf,
        "hardware": request.hardware_encoder,
    }


def _choose_audio(plan: RenderPlan, request: RenderRequest) -> AudioSource | None:
    """Return the sound of the result: the command line overrides the timeline."""
    match request.audio, plan.audio:
        case ("none", _) | (None, None | Audio(source="none")):
            return None
        case ("input", _) | (None, Audio(source="input")):
            if request.input is None:
                raise ConfigError("audio is the input's, but there is no --input")
            return AudioSource(request.input)
        case (None, Audio(uri=str(uri), offset_seconds=offset)):
            return AudioSource(request.file_path(uri), Fraction(str(offset)))
        case (str(path), _):
            return AudioSource(Path(path))
    return None
