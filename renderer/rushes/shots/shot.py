"""One result to make: a planned timeline, and its request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from rushes.errors import ConfigError
from rushes.presets.preset import Preset
from rushes.rendering.request import RenderRequest, refuse_missing, refuse_too_large
from rushes.shots.at_hand import check_files
from rushes.shots.inputs import named_input, refuse_odd_name, with_input
from rushes.shots.names import name_output
from rushes.shots.prompt_length import warn_of_cut_prompts
from rushes.shots.result_file import check_result
from rushes.shots.values import ResultValues
from rushes.timeline.document import Timeline
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan


@dataclass(frozen=True)
class Shot:
    """What to render, which take of its timeline it is, and where LoRA files may lie.

    ``kept_at`` is the file that holds the timeline, if that is not where ``request`` says that it
    lies: a document in memory lies in the current folder, but is not there.
    """

    request: RenderRequest
    plan: RenderPlan
    take: int = 0
    lora_folders: tuple[Path, ...] = ()
    kept_at: Path | None = None

    @property
    def timeline_file(self) -> Path:
        """The file that holds the timeline."""
        return self.kept_at or self.request.timeline


def plan_shots(
    timeline: Timeline,
    file: Path,
    preset: Preset,
    options: Sequence[PlanOptions],
    *,
    video: Path | None = None,
    output: Path | None = None,
    lora_folders: tuple[Path, ...] = (),
    **result: Unpack[ResultValues],
) -> list[Shot]:
    """Plan the takes of a timeline; ``options`` are those of each, alike but for their seeds.

    ``file`` is where the timeline lies. ``video`` is the input, else the one that the timeline
    names is taken; ``output`` names the result, else the timeline or its file does.
    Raises: ConfigError when options cannot be met; MissingFileError and InputError for the input;
        what ``check_files`` raises.
    """
    video = video or named_input(timeline, file.parent, options[0], preset)
    known, remarks = with_input(options[0], video, file.parent, result.get("deinterlace", "auto"))
    shots = []
    for take, each in enumerate(options):
        each = known.model_copy(update={"seed": each.seed})
        plan = plan_render(timeline, each, preset)
        name = name_output(output, file, plan, is_one_of_many=len(options) > 1)
        request = RenderRequest(
            timeline=file, output=name, input=video, options=each, preset=preset.name, **result
        )
        if take == 0:
            remarks += _look_at(plan, request, preset, lora_folders)
        plan = replace(plan, warnings=(*plan.warnings, *remarks))
        shots.append(Shot(request, plan, take, lora_folders))
    return shots


def _look_at(
    plan: RenderPlan, request: RenderRequest, preset: Preset, lora_folders: tuple[Path, ...]
) -> tuple[str, ...]:
    """Refuse a plan whose files are missing or unusable; return remarks about it."""
    folder = request.timeline.parent
    if request.audio not in (None, "input", "none"):
        refuse_odd_name(Path(request.audio))
    remarks = check_files(
        *(plan, folder, lora_folders, preset),
        given=request.options.steering_files,
        deinterlace=request.deinterlace,
    )
    check_result(
        *(plan, folder, request.output),
        audio=request.audio,
        codec=request.codec,
        crf=request.crf,
        enlarge=request.enlarge,
    )
    return remarks + warn_of_cut_prompts(plan, preset)


def refuse_contradictions(request: RenderRequest, plan: RenderPlan) -> None:
    """Refuse an input video that would not be used, and files that do not exist.

    Raises: ConfigError; MissingFileError.
    """
    if request.input is not None and not plan.takes_input:
        raise ConfigError(
            f"{request.timeline}: is text to video, so {request.input} would not be used; "
            "give --mode video to use it, or leave --input out"
        )
    refuse_missing(plan, request)
    refuse_too_large(plan, request)
