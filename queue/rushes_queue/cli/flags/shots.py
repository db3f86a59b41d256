"""From a timeline file and the options of a command to planned shots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import ResultFlags
from rushes_queue.cli.flags.take_flags import TakeFlags
from rushes_queue.cli.flags.timeline_files import TimelineFile
from rushes_queue.cli.show.console import say

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset
    from rushes.shots.shot import Shot
    from rushes.timeline.plan.render_plan import RenderPlan


def make_shots(
    timeline: TimelineFile,
    folders: Folders,
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    *,
    takes: TakeFlags,
    output: Path | None = None,
    choose: Callable[[str | None], str] | None = None,
) -> tuple[Preset, list[Shot]]:
    """Load and plan a timeline; returns its preset and a shot for each take.

    ``choose`` returns the preset of a pipeline where none was named; by default it is that of the
    settings, else one whose weights are here.
    Raises: TimelineError with all faults of the file; what its plan and the input raise.
    """
    from rushes.presets.preset import load_preset
    from rushes.shots import asked
    from rushes.shots.checking import propose
    from rushes.shots.sources import TimelineDocument

    given = load_preset(result.preset) if result.preset else None
    loaded = loading.load(timeline, given)
    document = TimelineDocument(loaded.require(), loaded.problems, timeline.path)
    say_proposal(propose(document.timeline, planned.profile))
    found = asked.make_shots(
        document,
        result.preset,
        replace(folders, loras=loading.lora_folders),
        {**planned.values(takes.seed, loading.pipeline), **result.values()},
        video=planned.input_video,
        output=output,
        takes=takes.takes,
        seeds=takes.listed(),
        choose=choose or partial(default_preset, folders),
    )
    return found.preset, [replace(shot, kept_at=timeline.kept_at) for shot in found.shots]


def say_proposal(proposal: str | None) -> None:
    """Print what is proposed for a timeline, if anything is."""
    if proposal is not None:
        say(f"note: this timeline {proposal}")


def warn_of(plans: Sequence[RenderPlan]) -> None:
    """Show the warnings of plans, each once."""
    for warning in dict.fromkeys(warning for plan in plans for warning in plan.warnings):
        say(f"warning: {warning}")


@cache  # so that the note is printed once
def default_preset(folders: Folders, pipeline: str | None = None) -> str:
    """Choose the settings' preset, else one of the pipeline whose weights are here, or a stand-in.

    Raises: MissingFileError when there is none; ConfigError.
    """
    from rushes.presets.default import choose_preset
    from rushes_queue.local.machine_settings import load_settings

    if (wanted := load_settings().preset) is not None:
        return wanted
    preset, note = choose_preset(folders.models, pipeline)
    if note is not None:
        say(f"note: {note}")
    return preset
