"""``rushes render --again``: a result made again from its manifest."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import ResultFlags
from rushes_queue.cli.flags.sharing import SharingFlags
from rushes_queue.cli.flags.take_flags import TakeFlags
from rushes_queue.cli.show.console import say
from rushes_queue.cli.timelines.results import Manifest, render_all

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.rendering.again import Recorded

_MAY_STAND_BESIDE = ("input_video", "device")  # of the flags of plan and result


def render_again(
    again: Path,
    folders: Folders,
    planned: PlanFlags,
    result: ResultFlags,
    output: Path | None,
    sharing: SharingFlags,
    **how: Any,
) -> None:
    """Render what a manifest says, and say whether the frames are the same; ``how`` is the rest."""
    from rushes.rendering.again import read_recorded
    from rushes.rendering.request import refuse_conflicts
    from rushes.shots.shot import Shot

    recorded = read_recorded(
        again,
        output=output,
        video=planned.input_video,
        device=result.device,
        lora_folders=folders.loras,
    )
    refuse_conflicts(recorded.request, how["force"])
    render_all(
        recorded.preset,
        replace(folders, loras=recorded.lora_folders),
        [Shot(recorded.request, recorded.plan, lora_folders=recorded.lora_folders)],
        sharing,
        timeline_sha256=recorded.manifest["sha256"]["timeline"],
        look=lambda manifest: _say_whether_equal(recorded, manifest),
        **how,
    )


def _say_whether_equal(recorded: Recorded, manifest: Manifest) -> None:
    difference = recorded.compare(manifest)
    if difference is None:
        say(f"its frames are those of {recorded.file}")
    else:
        say(f"warning: {difference}")


def refuse_beside_again(
    timeline: Path | None, planned: PlanFlags, result: ResultFlags, takes: TakeFlags
) -> None:
    """Refuse what would make another result than the one of the manifest.

    Raises: typer.BadParameter that names it.
    """
    given = ["TIMELINE"] if timeline is not None else []
    for flags, plain in ((planned, PlanFlags()), (result, ResultFlags()), (takes, TakeFlags())):
        given += [
            f"--{each.name.replace('_', '-')}"
            for each in fields(flags)
            if each.name not in _MAY_STAND_BESIDE
            and getattr(flags, each.name) != getattr(plain, each.name)
        ]
    if given:
        raise typer.BadParameter(
            f"--again makes what its manifest says; leave out {', '.join(given)}"
        )
