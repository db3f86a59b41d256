"""From a timeline file and the options of a command to the results that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rushes.errors import ConfigError
from rushes_queue.cli.flags.flags import LoadFlags, PlanFlags, ResultFlags
from rushes_queue.cli.show.console import say

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset
    from rushes.render.request import RenderRequest
    from rushes.timeline.plan.render_plan import RenderPlan

REAL_PRESET, STAND_IN_PRESET = "streamdiffusionv2-1.3b", "pocket"
# Takes are this far apart, so that no two of them share the noise of a latent frame.
SEEDS_BETWEEN_TAKES = 10_000


@dataclass(frozen=True)
class Takes:
    """Which seeds to make a timeline with: one, so many, or these."""

    seed: int | None = None
    takes: int | None = None
    seeds: str | None = None


def make_shots(
    timeline: Path,
    folders: Folders,
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    *,
    takes: Takes,
    output: Path | None = None,
) -> tuple[Preset, list[tuple[RenderRequest, RenderPlan]]]:
    """Load and plan a timeline: its preset, and one request with its plan for every take.

    Raises: TimelineError with all faults of the file; what its plan and the input raise.
    """
    from rushes.presets.preset import load_preset
    from rushes.render.request import RenderRequest
    from rushes.timeline.plan.planner import plan_render

    loaded = loading.load(timeline).require(to_render=True)
    preset = load_preset(result.preset or default_preset(folders))
    planned = planned.with_input_of(loaded, timeline.parent, preset)
    wanted = choose_seeds(loaded.settings.seed, takes)
    options = [planned.options(seed, loading.pipeline) for seed in wanted]
    plans = [plan_render(loaded, each, preset) for each in options]
    return preset, [
        (
            RenderRequest(
                timeline=timeline,
                output=name_output(output, timeline, plan, is_one_of_many=len(plans) > 1),
                input=planned.input_video,
                plan=each,
                preset=preset.name,
                device=result.device,
                dtype=result.dtype,
                fit=result.fit,
                codec=result.codec,
                crf=result.crf,
                hardware_encoder=result.hardware,
                audio=result.audio,
            ),
            plan,
        )
        for each, plan in zip(options, plans, strict=True)
    ]


def warn_of(plans: Sequence[RenderPlan]) -> None:
    """Show the warnings of plans, each once."""
    for warning in dict.fromkeys(warning for plan in plans for warning in plan.warnings):
        say(f"warning: {warning}")


@cache  # the note is for once
def default_preset(folders: Folders) -> str:
    """Choose the real pipeline if its weights are here, else say that the stand-in is used."""
    from rushes.presets.catalogue import is_installed
    from rushes.presets.preset import load_preset

    if is_installed(load_preset(REAL_PRESET), folders.models):
        return REAL_PRESET
    say(
        f"note: no weights of {REAL_PRESET} below {folders.models}; using preset "
        f"{STAND_IN_PRESET}, a small model that knows only the little world of docs/pocket.md"
    )
    return STAND_IN_PRESET


def choose_seeds(in_file: int | None, wanted: Takes) -> list[int | None]:
    """Return the seed of every take; None leaves it to the timeline.

    Raises: typer.BadParameter when the options contradict each other.
    """
    seed, takes, seeds = wanted.seed, wanted.takes, wanted.seeds
    if seeds is not None:
        if seed is not None or takes is not None:
            raise typer.BadParameter("--seeds stands alone, without --seed and --takes")
        parts = [part.strip() for part in seeds.split(",")]
        if not all(part.isdecimal() and len(part) < 20 for part in parts):
            raise typer.BadParameter(f"--seeds {seeds!r} is not a list of seeds; write 1,2,3")
        return list(dict.fromkeys(map(int, parts)))
    if takes is None:
        return [seed]
    from rushes.timeline.plan.job_settings import DEFAULT_SEED

    first = seed if seed is not None else in_file if in_file is not None else DEFAULT_SEED
    return [first + take * SEEDS_BETWEEN_TAKES for take in range(takes)]


def name_output(
    output: Path | None, timeline: Path, plan: RenderPlan, *, is_one_of_many: bool
) -> Path:
    """Name a result: as asked, else as the timeline says, else like the timeline file.

    Raises: ConfigError when what was asked for is not a name.
    """
    from rushes.video.names import name_take

    if output is not None and not output.name:
        raise ConfigError(f"--output {output}: names no file; give one, such as out.mp4")

    stem = timeline.name.removesuffix(".json").removesuffix(".scope-workflow")
    path = output or Path(f"{plan.output.name or stem}.mp4")
    return name_take(path, plan.seed) if is_one_of_many else path


def refuse_contradictions(request: RenderRequest, plan: RenderPlan) -> None:
    """Refuse an input video that would not be looked at, and files that are not there.

    Raises: ConfigError; MissingFileError.
    """
    from rushes.render.request import refuse_missing

    if request.input is not None and not plan.takes_input:
        raise ConfigError(
            f"{request.timeline}: is text to video, so {request.input} would not be used; "
            "give --mode video to use it, or leave --input out"
        )
    refuse_missing(plan, request)
