"""From options to planned shots: reads the timeline, chooses a preset, plans the takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rushes.files.folders import Folders
from rushes.presets.default import choose_preset
from rushes.presets.preset import Preset, load_preset
from rushes.shots.shot import Shot, plan_shots
from rushes.shots.sources import Source, TimelineDocument, open_source
from rushes.shots.takes import wanted_seeds
from rushes.shots.values import (
    FramesValues,
    PlanValues,
    RenderValues,
    plan_options,
    split_values,
)
from rushes.timeline.plan.options import PlanOptions


@dataclass(frozen=True)
class AskedFor:
    """What is to be rendered: a document, the preset that renders it, and a shot for each take."""

    document: TimelineDocument
    preset: Preset
    shots: list[Shot]


def make_shots(
    source: Source,
    preset: str | None,
    folders: Folders,
    options: RenderValues | FramesValues,
    *,
    video: Path | str | None = None,
    output: Path | str | None = None,
    takes: int | None = None,
    seeds: Sequence[int] | None = None,
    choose: Callable[[str | None], str] | None = None,
) -> AskedFor:
    """Read and plan a timeline; ``choose`` returns the preset of a pipeline where none is given.

    By default that is one whose weights are here, or else the stand-in, with a Python warning in
    the caller of the public function that calls this one.
    Raises: TimelineError; ConfigError when options cannot be met; MissingFileError and InputError.
    """
    planned, result = split_values(options)
    given = load_preset(preset) if preset else None
    pipeline = planned.get("pipeline")
    document = open_source(source, lora_folders=folders.loras, pipeline=pipeline, preset=given)
    choose = choose or (lambda pipeline: _choose_preset(pipeline, folders))
    chosen = given or load_preset(choose(pipeline_of(document, planned)))
    timeline = document.timeline
    wanted = wanted_seeds(timeline.settings.seed, planned.get("seed"), takes, seeds)
    shots = plan_shots(
        *(timeline, document.file, chosen),
        [_options(planned, seed) for seed in wanted],
        video=None if video is None else Path(video),
        output=None if output is None else Path(output),
        lora_folders=folders.loras,
        **result,
    )
    return AskedFor(document, chosen, shots)


def pipeline_of(document: TimelineDocument, options: PlanValues) -> str | None:
    """Return the pipeline of the options, else the timeline's own."""
    return options.get("pipeline") or document.timeline.settings.pipeline_id


def _options(values: PlanValues, seed: int | None) -> PlanOptions:
    changed: PlanValues = {**values, "seed": seed}
    return plan_options(**changed)


def _choose_preset(pipeline: str | None, folders: Folders) -> str:
    name, note = choose_preset(folders.models, pipeline)
    if note is not None:
        warnings.warn(note, stacklevel=5)
    return name
