"""A plan to look at, which is made even without an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rushes.presets.preset import Preset
from rushes.shots.at_hand import check_files
from rushes.shots.inputs import named_input, with_input
from rushes.shots.names import name_output
from rushes.shots.prompt_length import warn_of_cut_prompts
from rushes.shots.result_file import check_result
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
    audio: str | None = None,
) -> tuple[RenderPlan, Path | None]:
    """Plan one take as ``shot.plan_shots`` does; return the plan, and the input if there is one.

    Raises: ConfigError when options cannot be met; MissingFileError for a ``video`` that is not
        here; InputError; what ``look_at`` raises.
    """
    video = video or named_input(timeline, file.parent, options, preset)
    known, remarks = with_input(options, video, file.parent, deinterlace)
    plan = plan_render(timeline, known, preset)
    remarks += look_at(plan, file, preset, options, lora_folders, deinterlace, audio)
    return replace(plan, warnings=(*plan.warnings, *remarks)), video


def look_at(
    plan: RenderPlan,
    file: Path,
    preset: Preset,
    options: PlanOptions,
    lora_folders: Sequence[Path],
    deinterlace: Deinterlace = "auto",
    audio: str | None = None,
    *,
    only_this: bool = False,
) -> tuple[str, ...]:
    """Refuse a plan that could not be rendered even with all weights here; return remarks.

    Raises: what ``check_files`` and ``check_result`` raise.
    """
    remarks = check_files(
        *(plan, file.parent, lora_folders, preset),
        only_this=only_this,
        given=options.steering_files,
        deinterlace=deinterlace,
    )
    check_result(plan, file.parent, name_output(None, file, plan), audio=audio)
    return remarks + warn_of_cut_prompts(plan, preset)
