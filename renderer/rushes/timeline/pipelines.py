"""The pipelines that files name: their defaults, and whether a preset here renders them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rushes.presets.default import REAL_PRESET
from rushes.presets.preset import PlaySpec, Preset, load_preset, preset_names
from rushes.text import shortened
from rushes.timeline.problems import Problems

PASSTHROUGH = "passthrough"


@dataclass(frozen=True, slots=True)
class ScopePipeline:
    """The defaults of a pipeline's files, and what distinguishes it from others.

    ``chunk_frames`` are those of every chunk after the first.
    """

    name: str
    play: PlaySpec
    chunk_frames: int
    has_bias: bool = False  # of the attention to cached frames
    is_offered: bool = True
    generates: bool = True


# Source: scope: src/scope/core/pipelines/defaults.py, frontend/src/hooks/useTimelinePlayback.ts
_NOT_OFFERED = (ScopePipeline(PASSTHROUGH, PlaySpec(), 4, is_offered=False, generates=False),)


# Models of other kinds that files name, by how their names begin.
_OTHER_ARCHITECTURES = {
    "ltx-video": "LTX-Video",
    "ltxv": "LTX-Video",
    "ltx": "LTX-2",
    "hunyuan": "HunyuanVideo",
    "cogvideo": "CogVideoX",
    "mochi": "Mochi",
    "cosmos": "Cosmos",
    "svd": "Stable Video Diffusion",
    "stable-video": "Stable Video Diffusion",
    "stable-diffusion": "Stable Diffusion",
    "sdxl": "Stable Diffusion XL",
    "sd-turbo": "Stable Diffusion Turbo",
    "flux": "FLUX",
    "qwen-image": "Qwen-Image",
    "animatediff": "AnimateDiff",
    "streamdiffusion-sd": "Stable Diffusion",
    "personalive": "PersonaLive",
}


@cache
def known_pipelines() -> dict[str, ScopePipeline]:
    """Return what is known of pipelines by name.

    That of the default preset comes first, then those that other shipped presets render.
    """
    names = [REAL_PRESET, *preset_names()]
    offered = [pipeline_of(load_preset(name)) for name in names]
    known = {pipeline.name: pipeline for pipeline in offered}
    return known | {each.name: each for each in _NOT_OFFERED if each.name not in known}


def pipeline_of(preset: Preset) -> ScopePipeline:
    """Return the pipeline that a preset renders."""
    chunk_frames = preset.chunk.num_frames(preset.play.default_mode, is_first=False)
    has_bias = preset.memory.context_bias is not None
    return ScopePipeline(preset.pipeline_id, preset.play, chunk_frames, has_bias)


@dataclass(frozen=True, slots=True)
class PipelineChoice:
    """What a file should be rendered with, as far as its reader knows.

    ``preset`` is the chosen preset; ``instead`` is the pipeline to use instead of the file's.
    """

    instead: str | None = None
    preset: Preset | None = None

    def find(self, name: str) -> ScopePipeline | None:
        """Return what is known of a pipeline; the chosen preset counts as well."""
        if self.preset is not None and self.preset.pipeline_id == name:
            return pipeline_of(self.preset)
        return known_pipelines().get(name)

    def has_bias(self, name: str | None) -> bool:
        """Say whether the pipeline that a file is rendered with has an attention bias."""
        own = self.preset.pipeline_id if self.preset is not None else name
        target = self.instead or own
        pipeline = self.find(target) if target is not None else None
        return pipeline is not None and pipeline.has_bias

    def check(self, path: str, name: str, problems: Problems) -> None:
        """Report a pipeline that is unknown, or not the one to render with."""
        pipeline = self.find(name)
        if pipeline is None and (other := _other_architecture(name)) is not None:
            message = (
                f'"{shortened(name)}": {other} is another architecture, not a Wan model; it cannot '
                "be rendered here"
            )
            problems.error(path, message, name)
            return
        if pipeline is not None and not pipeline.generates and self.instead is None:
            message = f'"{name}" passes pictures through: there is nothing to render'
            problems.error(path, message, name)
            return
        if pipeline is None:
            known = ", ".join(known_pipelines())
            problems.error(path, f'"{shortened(name)}" is unknown; known are {known}', name)
            return
        target = self.instead or (self.preset.pipeline_id if self.preset is not None else name)
        wanted = self.find(target)
        if target != name:
            change = _change(pipeline, wanted)
            if self.instead:
                problems.warn(path, f"{change}; rendered with {target} as you asked", name)
            else:
                message = f"{change}; choose its preset, or render with --pipeline {target}"
                problems.error(path, message, name)
        elif not pipeline.is_offered:
            offered = [each for each in known_pipelines().values() if each.is_offered]
            message = f"{_change(pipeline, offered[0])}; render with --pipeline {offered[0].name}"
            problems.error(path, message, name)


def _other_architecture(name: str) -> str | None:
    plain = name.lower().replace("_", "-")
    for start, title in _OTHER_ARCHITECTURES.items():
        if plain.removeprefix("scope-").startswith(start):
            return title
    return None


def _change(pipeline: ScopePipeline, wanted: ScopePipeline | None) -> str:
    if wanted is None:
        return f"{pipeline.name} is another model"
    return (
        f"{pipeline.name} is another model (chunks of {pipeline.chunk_frames} frames, where "
        f"{wanted.name} makes {wanted.chunk_frames})"
    )
