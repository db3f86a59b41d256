"""A plan that is to be looked at: it is made although the input is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rushes.presets.preset import Preset
from rushes.shots.at_hand import check_files
from rushes.shots.inputs import named_input, with_input
from rushes.shots.prompt_length import warn_of_cut_prompts
from rushes.timeline.document import Timeline
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.read.fit import Deinterlace


def preview_plan(
    timeline: Timeline,
    file: Path,
    preset: Preset,
    options: PlanOptions,
    *,
    video: Path | None = None,
    lora_folders: Sequence[Path] = (),
    deinterlace: Deinterlace = "auto",
) -> tuple[RenderPlan, Path | None]:
    """Plan one take as ``shot.plan_shots`` does; return the plan, and the input if it is here.

    An input that the timeline names and that is not here is a warning of the plan.
    Raises: ConfigError when options cannot be met; MissingFileError for a ``video`` that is not
        here; InputError; what ``check_files`` raises.
    """
    named = None if video else named_input(timeline, file.parent, options, preset)
    is_missing = named is not None and not named.exists()
    video = video or (None if is_missing else named)
    known, input_remarks = with_input(options, video, file.parent, deinterlace)
    plan = plan_render(timeline, known, preset)
    remarks = check_files(plan, file.parent, lora_folders, preset, only_this=False)
    remarks += warn_of_cut_prompts(plan, preset)
    plan = replace(plan, warnings=(*plan.warnings, *input_remarks, *remarks))
    if is_missing:
        plan = replace(plan, warnings=(*plan.warnings, f"{file}: its input {named} is not here"))
    return plan, video
