"""All problems of a timeline: of its fields, and of the plan made from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rushes.errors import RushesError
from rushes.presets.default import preset_of
from rushes.presets.preset import Preset, load_preset
from rushes.shots.inputs import named_input, with_input
from rushes.shots.preview import look_at
from rushes.timeline.document import Timeline
from rushes.timeline.era import propose_profile
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_with_problems
from rushes.timeline.problems import Problem
from rushes.timeline.read.load import LoadedTimeline


def find_problems(
    loaded: LoadedTimeline,
    options: PlanOptions,
    preset: Preset | None = None,
    *,
    file: Path,
    video: Path | None = None,
    lora_folders: Sequence[Path] = (),
) -> list[Problem]:
    """Return errors, warnings and notes; planning finds those that no field alone shows.

    The plan is for the chosen preset, else for that of the file's pipeline. ``file``
    is where the timeline lies, ``video`` its input, else the one that it names.
    """
    if loaded.timeline is None:
        return list(loaded.problems)
    wanted = preset or preset_for(loaded.timeline, options.pipeline)
    try:
        video = video or named_input(loaded.timeline, file.parent, options, wanted)
        known, remarks = with_input(options, video, file.parent)
        plan, found = plan_with_problems(loaded.timeline, known, wanted)
        is_chosen = preset is not None
        remarks += look_at(plan, file, wanted, options, lora_folders, only_this=is_chosen)
    except RushesError as error:
        return [*loaded.problems, *problems_of(error)]
    warnings = [Problem("", remark, severity="warning") for remark in remarks]
    proposal = propose(loaded.timeline, options.profile)
    notes = [] if proposal is None else [Problem("", proposal, severity="note")]
    return [*loaded.problems, *found, *warnings, *notes]


def preset_for(timeline: Timeline, pipeline: str | None = None) -> Preset:
    """Return the preset that would render a timeline if its weights were here."""
    return load_preset(preset_of(pipeline or timeline.settings.pipeline_id))


def propose(timeline: Timeline, profile: str) -> str | None:
    """Return one line that proposes another profile for an old file."""
    return propose_profile(timeline, profile)


def problems_of(error: RushesError) -> list[Problem]:
    """Return an error as data, one problem for each of its lines."""
    return [Problem("", line) for line in str(error).splitlines()]


def is_ok(problems: list[Problem]) -> bool:
    """Say whether there is no error; warnings and notes may be there."""
    return all(problem.severity != "error" for problem in problems)
