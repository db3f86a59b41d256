"""``rushes reproduce``: render a published film again, with the rules and the noise of its time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import ResultFlags
from rushes_queue.cli.flags.sharing import SharingFlags
from rushes_queue.cli.flags.shots import make_shots, warn_of
from rushes_queue.cli.flags.take_flags import TakeFlags
from rushes_queue.cli.flags.timeline_files import TimelineFile
from rushes_queue.cli.show.console import say
from rushes_queue.cli.timelines.results import render_all

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset


@takes_flags
def reproduce(
    name: Annotated[str, typer.Argument(help="evolution, feline, prey, or a timeline file.")],
    result: ResultFlags,
    loading: LoadFlags,
    places: FolderFlags,
    sharing: SharingFlags,
    input_video: Annotated[
        Path | None,
        typer.Option("--input", help="The clip, if it is not in this folder under its own name."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Video to make; its extension decides the format."),
    ] = None,
    noise_device: Annotated[
        str | None, typer.Option(help="The GPU that the film was made on, such as 4090.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that exist.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for scripts.")
    ] = False,
) -> None:
    """Render a film that Scope's authors published, as closely as possible.

    First prints which of its parts are here: timeline, clip, weights, noise, size and rules.
    """
    from rushes.rendering.request import refuse_conflicts
    from rushes.shots.recordings import PLAYED_WITH
    from rushes.shots.reproduction import LIMITS, compare, find_clip, find_timeline
    from rushes.shots.shot import refuse_contradictions

    here = Path()
    folders = replace(places.folders(), loras=loading.lora_folders)
    timeline = find_timeline(name, here)
    options = PlanFlags(input_video=input_video or find_clip(here), size=size)
    options = replace(options, **PLAYED_WITH)
    if noise_device is not None:
        options = replace(options, noise_device=noise_device)
    preset, shots = make_shots(
        TimelineFile.at(timeline),
        folders,
        options,
        result,
        loading,
        takes=TakeFlags(),
        output=output,
    )
    (shot,) = shots
    for finding in compare(shot, preset, weight_origins(preset, folders)):
        say(str(finding))
    say(f"frame for frame it cannot be: {'; '.join(LIMITS)}")
    refuse_conflicts(shot.request, force)
    refuse_contradictions(shot.request, shot.plan)
    warn_of([shot.plan])
    render_all(preset, folders, shots, sharing, force=force, as_json=as_json)


def weight_origins(preset: Preset, folders: Folders) -> dict[str, str]:
    """Return where the files of a preset were downloaded from, as far as recorded."""
    from rushes.errors import CheckpointError
    from rushes.weights.networks import find_weights
    from rushes.weights.records import Records

    if preset.brings_weights:
        return {}
    try:
        paths = find_weights(preset, folders.models, folders.cache)
    except CheckpointError:
        return {}
    records = Records(folders.models)
    found = {part: records.get(path) for part, path in paths.files().items()}
    return {part: record.origin for part, record in found.items() if record is not None}
