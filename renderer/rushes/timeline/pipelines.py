"""The pipelines that files name, as data: what they default to and how they differ from ours."""

from __future__ import annotations

from dataclasses import dataclass

from rushes.presets.kinds import Method, Mode
from rushes.text import shortened
from rushes.timeline.problems import Problems


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a file leaves unsaid because its pipeline decides it.

    Source: scope: src/scope/core/pipelines/defaults.py, frontend/src/hooks/useTimelinePlayback.ts
    """

    name: str
    default_mode: Mode = "text"
    chunk_frames: int = 12
    transition_steps: int = 0  # text mode; video mode starts from 0 everywhere
    transition_method: Method = "slerp"
    generates: bool = True


OURS = "streamdiffusionv2"
PASSTHROUGH = "passthrough"

PIPELINES = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline(OURS, default_mode="video", chunk_frames=4),
        Pipeline("longlive"),
        Pipeline("krea-realtime-video", transition_steps=4, transition_method="linear"),
        Pipeline("memflow"),
        Pipeline("reward-forcing"),
        Pipeline(PASSTHROUGH, default_mode="video", chunk_frames=4, generates=False),
    )
}


def check_pipeline(path: str, name: str, override: str | None, problems: Problems) -> None:
    """Report a pipeline that we do not know, or that is not the one we render with.

    ``override`` is the pipeline that the user wants instead; it lifts the ban on rendering.
    """
    pipeline = PIPELINES.get(name)
    if pipeline is None:
        problems.error(
            path, f'"{shortened(name)}" is unknown; known are {", ".join(PIPELINES)}', name
        )
    elif name != (override or OURS):
        change = (
            f"{name} is another model (chunks of {pipeline.chunk_frames} frames, where {OURS} "
            f"makes {PIPELINES[OURS].chunk_frames})"
        )
        if override:
            problems.warn(path, f"{change}; rendered with {override} as told", name)
        else:
            problems.block_render(path, f"{change}; render with --pipeline {OURS}", name)
