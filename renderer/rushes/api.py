"""Timelines read, checked, planned and rendered, for programs and notebooks.

The functions are names of ``rushes`` itself; ``docs/python.md`` shows them at work. They print
nothing, and keep no state between calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rushes.files.folders import Folders
from rushes.files.machine_folders import machine_folders
from rushes.lazy import quick_imports
from rushes.presets.default import preset_of
from rushes.presets.preset import Preset, load_preset
from rushes.shots.asked import make_shots, pipeline_of
from rushes.shots.checking import find_problems
from rushes.shots.preview import preview_plan
from rushes.shots.shot import Shot, refuse_contradictions
from rushes.shots.sources import Source, TimelineDocument, file_of, open_source, read_source
from rushes.shots.values import (
    FramesValues,
    PlanValues,
    RenderValues,
    plan_options,
)
from rushes.timeline.plan.options import make_options
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.timeline.problems import Problem
from rushes.video.read.fit import Deinterlace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rushes.comparison.compare import Comparison
    from rushes.comparison.pictures import Layout
    from rushes.rendering.fitted import FittedRenderer
    from rushes.rendering.loop import Progress
    from rushes.video.read.fit import Fit


def load_timeline(
    source: Source,
    *,
    strict: bool = False,
    allow_version: bool = False,
    allow_outside: bool = False,
    pipeline: str | None = None,
    folders: Folders | None = None,
) -> TimelineDocument:
    """Read a timeline or workflow: a file, or a document as ``json.load`` returns it.

    ``strict`` turns unknown keys and sizes that would be rounded into errors; ``allow_version``
    accepts unknown versions, ``allow_outside`` files outside the document's folder; ``pipeline`` is
    used instead of the document's own. LoRA files are looked for beside the timeline and in
    ``folders``, which are this machine's unless given.
    Raises: TimelineError with a line for each fault; MissingFileError.
    """
    return open_source(
        source,
        strict=strict,
        allow_version=allow_version,
        allow_outside=allow_outside,
        pipeline=pipeline,
        lora_folders=(folders or machine_folders()).loras,
    )


def check(
    source: Source,
    *,
    preset: str | None = None,
    strict: bool = False,
    allow_version: bool = False,
    allow_outside: bool = False,
    pipeline: str | None = None,
    folders: Folders | None = None,
) -> list[Problem]:
    """Return all errors, warnings and notes about a timeline.

    Each has the field, its value, and what to do; faults of the document are not raised. It is
    planned too, for the preset or else for that of its pipeline; this needs no weights. The other
    options are those of ``load_timeline``.
    Raises: MissingFileError when there is no such file; ConfigError when there is no such preset.
    """
    chosen = load_preset(preset) if preset else None
    lora_folders = (folders or machine_folders()).loras
    loaded = read_source(
        source,
        strict=strict,
        allow_version=allow_version,
        allow_outside=allow_outside,
        pipeline=pipeline,
        lora_folders=lora_folders,
        preset=chosen,
    )
    return find_problems(
        *(loaded, make_options(pipeline=pipeline), chosen),
        file=file_of(source),
        lora_folders=lora_folders,
    )


def plan(
    source: Source,
    *,
    preset: str | None = None,
    input: Path | str | None = None,  # noqa: A002
    deinterlace: Deinterlace = "auto",
    audio: str | None = None,
    folders: Folders | None = None,
    **options: Unpack[PlanValues],
) -> RenderPlan:
    """Plan a render: which frames, prompts and seeds each chunk has. This needs no weights.

    ``input`` is the input video, else the one that the timeline names; without either the plan is
    made all the same. ``options`` are those of ``rushes plan``.
    Raises: TimelineError; ConfigError when options cannot be met; MissingFileError and InputError
        for the input video.
    """
    given = load_preset(preset) if preset else None
    lora_folders = (folders or machine_folders()).loras
    document = open_source(
        source,
        lora_folders=lora_folders,
        pipeline=options.get("pipeline"),
        preset=given,
    )
    chosen = given or load_preset(preset_of(pipeline_of(document, options)))
    video = None if input is None else Path(input)
    return preview_plan(
        *(document.timeline, document.file, chosen, plan_options(**options)),
        video=video,
        lora_folders=lora_folders,
        deinterlace=deinterlace,
        audio=audio,
    )[0]


def render(
    source: Source,
    output: Path | str,
    *,
    input: Path | str | None = None,  # noqa: A002
    preset: str | None = None,
    folders: Folders | None = None,
    force: bool = False,
    report: Callable[[Progress], None] | None = None,
    **options: Unpack[RenderValues],
) -> dict[str, Any]:
    """Render a timeline into a video and return the manifest that is written beside it.

    Manifest and contact sheet have the video's name with ``.json`` and ``.png`` appended. The
    default ``preset`` is one of the timeline's pipeline whose weights are here, else the small
    stand-in, with a Python warning. ``report`` is called after each written chunk, and may raise
    StopRender. ``options`` are those of ``rushes render``.
    Raises: as ``plan``; ConflictError when a result is there already, unless ``force``;
        CheckpointError when weights are missing; MemoryShortError; VideoError.
    """
    from rushes.rendering.render import check as refuse_unrenderable

    folders = folders or machine_folders()
    asked = make_shots(source, preset, folders, options, video=input, output=output)
    (shot,) = asked.shots
    refuse_contradictions(shot.request, shot.plan)
    refuse_unrenderable(shot.plan, shot.request, force=force)
    renderer = _open_renderer(asked.preset, folders, shot)
    return renderer.render(
        shot.plan,
        shot.request,
        force=force,
        report=report or (lambda progress: None),
        timeline_sha256=asked.document.sha256,
    )


def frames(
    source: Source,
    *,
    input: Path | str | None = None,  # noqa: A002
    preset: str | None = None,
    folders: Folders | None = None,
    **options: Unpack[FramesValues],
) -> Iterator[tuple[Chunk, NDArray[np.uint8]]]:
    """Render a timeline and yield its frames chunk by chunk, as they are made; no file is written.

    They are the frames that ``render`` encodes; its options hold here too. The call itself raises
    what can be known in advance; networks are loaded for the first chunk.

    Shapes:
        yields: each chunk of the plan with its frames, [T, H, W, 3] in RGB
    Raises: as ``plan``; CheckpointError when weights are missing; MemoryShortError.
    """
    folders = folders or machine_folders()
    asked = make_shots(source, preset, folders, options, video=input)
    (shot,) = asked.shots
    refuse_contradictions(shot.request, shot.plan)
    return _render_frames(_open_renderer(asked.preset, folders, shot), shot)


def compare(
    videos: Sequence[Path | str],
    output: Path | str | None = None,
    *,
    layout: Layout = "side",
    reference: Path | str | None = None,
    fit: Fit = "stretch",
    force: bool = False,
) -> Comparison:
    """Compare two to four results: where their manifests differ, and what each measures.

    ``output`` is a video to make of them: ``side`` by side, or two in one picture with a line that
    ``wipe``s over it. With a ``reference``, the input that they were made from, each is measured
    against that too, as ``rushes eval`` does; ``fit`` is how the input met the size.
    Raises: MissingFileError, InputError, VideoError for videos that cannot be read or written;
        ConfigError for another number of videos, or a file that is not a manifest; ConflictError
        when the output is there already, unless ``force``.
    """
    from rushes.comparison.compare import compare_results

    return compare_results(
        [Path(video) for video in videos],
        None if output is None else Path(output),
        layout=layout,
        reference=None if reference is None else Path(reference),
        fit=fit,
        force=force,
    )


def _render_frames(
    renderer: FittedRenderer, shot: Shot
) -> Iterator[tuple[Chunk, NDArray[np.uint8]]]:
    from rushes.rendering.frames import render_frames

    yield from render_frames(renderer.load(shot.plan), shot.plan, shot.request)


def _open_renderer(preset: Preset, folders: Folders, shot: Shot) -> FittedRenderer:
    with quick_imports():
        from rushes.rendering.fitted import open_renderer

    return open_renderer(preset, folders, shot.request.device, shot.request.dtype)
