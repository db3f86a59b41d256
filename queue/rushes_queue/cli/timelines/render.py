"""``rushes render``: render a timeline on this machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.flags import FolderFlags, LoadFlags, PlanFlags, ResultFlags, takes_flags
from rushes_queue.cli.flags.sharing import SharingFlags
from rushes_queue.cli.flags.shots import Takes, make_shots, warn_of
from rushes_queue.cli.flags.timeline_files import FILE_HELP, find_timeline
from rushes_queue.cli.show.console import error_json, print_json, print_json_errors, say

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset
    from rushes.shots.shot import Shot


@takes_flags
def render(
    timeline: Annotated[Path, typer.Argument(help=FILE_HELP)],
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    places: FolderFlags,
    sharing: SharingFlags,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Video to make; its extension decides the format."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces every seed of the file.")] = None,
    takes: Annotated[int | None, typer.Option(min=1, help="Make this many, each its seed.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Make one for each seed: 1,2,3.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that exist.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a result, for scripts.")
    ] = False,
) -> None:
    """Render a timeline into a video, with a manifest and a contact sheet beside it."""
    from rushes.files.read_ahead import read_torch_ahead

    read_torch_ahead()
    from rushes.rendering.request import refuse_conflicts
    from rushes.shots.shot import refuse_contradictions

    sharing.check()
    folders = replace(places.folders(), loras=loading.lora_folders)
    wanted = Takes(seed, takes, seeds)
    source = find_timeline(timeline)
    preset, shots = make_shots(
        source, folders, planned, result, loading, takes=wanted, output=output
    )
    for shot in shots:
        refuse_conflicts(shot.request, force)
        refuse_contradictions(shot.request, shot.plan)
    warn_of([shot.plan for shot in shots])
    render_all(preset, folders, shots, sharing, force, as_json)


def render_all(
    preset: Preset,
    folders: Folders,
    shots: list[Shot],
    sharing: SharingFlags,
    force: bool,
    as_json: bool,
) -> None:
    """Render take after take, or as many at a time as share their work; name the files made."""
    from rushes_queue.cli.show.progress import ProgressDisplay, where

    display: ProgressDisplay | None = None
    try:
        with interruptible() as raise_if_asked:
            from rushes.files.hashes import sha256_of
            from rushes.rendering.render import check
            from rushes.rendering.takes import Take

            for shot in shots:
                check(shot.plan, shot.request, force=force)
            wanted = shots[0].request
            render_takes = sharing.open(preset, folders, wanted.device, wanted.dtype, force=force)
            for together in sharing.together(shots):
                display = ProgressDisplay(raise_if_asked)
                with display:
                    takes = [
                        Take(shot.plan, shot.request, sha256_of(shot.timeline_file))
                        for shot in together
                    ]
                    manifests = render_takes(takes, display)
                for shot, manifest in zip(together, manifests, strict=True):
                    name_results(shot, manifest, as_json)
    except KeyboardInterrupt as error:
        latest = display and display.latest
        far = f"at {where(latest)}" if latest else "before the first chunk"
        said = f"interrupted {far}; the unfinished result was removed"
        say(said)
        if as_json:
            print_json_errors([error_json(said, exit_codes.INTERRUPTED)])
        raise typer.Exit(exit_codes.INTERRUPTED) from error


def name_results(shot: Shot, manifest: dict[str, Any], as_json: bool) -> None:
    """Print the files of one result, and the warnings of its render."""
    from rushes.video.names import result_path

    request = shot.request
    video = result_path(request.output)
    if as_json:
        kept = {name: value for name, value in manifest.items() if name not in ("plan", "request")}
        files = {
            "output": str(video),
            "manifest": str(request.manifest_path),
            "contact_sheet": str(request.sheet_path),
        }
        print_json(files | kept)
        return
    for warning in manifest["warnings"]:
        if warning not in shot.plan.warnings:  # which were printed before
            say(f"warning: {warning}")
    typer.echo(f"video          {video}")
    typer.echo(f"manifest       {request.manifest_path}")
    typer.echo(f"contact sheet  {request.sheet_path}")


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Let SIGTERM end a render as cleanly as Ctrl-C does, unless the parent process ignores Ctrl-C.

    Yields a function that raises KeyboardInterrupt again if there was one: what a handler raises
    while a destructor runs, or a C library imports another, is lost.
    """
    is_asked = False

    def interrupt(*_: Any) -> None:
        nonlocal is_asked
        is_asked = True
        raise KeyboardInterrupt

    def raise_if_asked() -> None:
        if is_asked:
            raise KeyboardInterrupt

    before = {
        each: signal.signal(each, interrupt)
        for each in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(each) is not signal.SIG_IGN
    }
    try:
        yield raise_if_asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
