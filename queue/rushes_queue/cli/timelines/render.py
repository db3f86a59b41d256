"""``rushes render``: render a timeline on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import ResultFlags
from rushes_queue.cli.flags.sharing import SharingFlags
from rushes_queue.cli.flags.shots import make_shots, warn_of
from rushes_queue.cli.flags.take_flags import TakeFlags
from rushes_queue.cli.flags.timeline_files import FILE_HELP, find_timeline
from rushes_queue.cli.show.console import say
from rushes_queue.cli.timelines.again import refuse_beside_again, render_again
from rushes_queue.cli.timelines.results import render_all

if TYPE_CHECKING:
    from rushes.shots.shot import Shot


@takes_flags
def render(
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    takes: TakeFlags,
    places: FolderFlags,
    sharing: SharingFlags,
    timeline: Annotated[Path | None, typer.Argument(help=FILE_HELP, show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Video to make; its extension decides the format."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was interrupted.")
    ] = False,
    again: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST", help="Make a result again from its manifest; or name the result."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that exist.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each result, for scripts.")
    ] = False,
) -> None:
    """Render a timeline into a video, with a manifest and a contact sheet beside it."""
    from rushes.files.read_ahead import read_torch_ahead

    read_torch_ahead()
    from rushes.rendering.request import refuse_conflicts
    from rushes.shots.shot import refuse_contradictions

    sharing.check()
    folders = replace(places.folders(), loras=loading.lora_folders)
    how: dict[str, Any] = {"force": force, "as_json": as_json, "resume": resume}
    if again is not None:
        refuse_beside_again(timeline, planned, result, takes)
        render_again(again, folders, planned, result, output, sharing, **how)
        return
    if timeline is None:
        raise typer.BadParameter("name a timeline or workflow file, or --again MANIFEST")
    source = find_timeline(timeline)
    preset, shots = make_shots(
        source, folders, planned, result, loading, takes=takes, output=output
    )
    shots = _without_those_made(shots) if resume else shots
    for shot in shots:
        refuse_conflicts(shot.request, force)
        refuse_contradictions(shot.request, shot.plan)
    warn_of([shot.plan for shot in shots])
    if shots:
        render_all(preset, folders, shots, sharing, **how)


def _without_those_made(shots: list[Shot]) -> list[Shot]:
    """Leave out the takes that an interrupted render has completed."""
    from rushes.rendering.again import is_made

    made = [shot for shot in shots if is_made(shot.plan, shot.request, shot.timeline_file)]
    for shot in made:
        say(f"{shot.request.output}: is made already")
    return [shot for shot in shots if shot not in made]
