"""Everything that is to say against a timeline: of its fields, and of the plan made from it."""

from __future__ import annotations

from rushes.errors import RushesError
from rushes.presets.default import preset_of
from rushes.presets.preset import Preset, load_preset
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_with_problems
from rushes.timeline.problems import Problem
from rushes.timeline.read.load import LoadedTimeline


def find_problems(
    loaded: LoadedTimeline, options: PlanOptions, preset: Preset | None = None
) -> list[Problem]:
    """Return errors, warnings and notes; planning finds what no field alone shows.

    It is planned for the preset that was chosen, else for that of the file's pipeline.
    """
    if loaded.timeline is None:
        return list(loaded.problems)
    if preset is None:
        pipeline = options.pipeline or loaded.timeline.settings.pipeline_id
        preset = load_preset(preset_of(pipeline))
    try:
        _, found = plan_with_problems(loaded.timeline, options, preset)
    except RushesError as error:
        return [*loaded.problems, *problems_of(error)]
    return [*loaded.problems, *found]


def problems_of(error: RushesError) -> list[Problem]:
    """Return an error as data, one problem for each of its lines."""
    return [Problem("", line) for line in str(error).splitlines()]


def is_ok(problems: list[Problem]) -> bool:
    """Say whether there is no error; warnings and notes may be there."""
    return all(problem.severity != "error" for problem in problems)
