"""Shots rendered here and now, their files named, and what is said when it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.sharing import SharingFlags
from rushes_queue.cli.show.console import error_json, print_json, print_json_errors, say
from rushes_queue.cli.timelines.interrupts import Interrupts, interruptible

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset
    from rushes.rendering.loop import Progress
    from rushes.rendering.takes import Take
    from rushes.rendering.work import KeptWork
    from rushes.shots.shot import Shot

Manifest = dict[str, Any]


def render_all(
    preset: Preset,
    folders: Folders,
    shots: list[Shot],
    sharing: SharingFlags,
    *,
    force: bool,
    as_json: bool,
    resume: bool = False,
    timeline_sha256: str | None = None,
    look: Callable[[Manifest], None] = lambda manifest: None,
) -> None:
    """Load the networks once, render take after take or as ``sharing`` says, name the files made.

    With ``resume`` a take goes on where it was interrupted. ``timeline_sha256`` is that of a
    timeline that need not be there. ``look`` is shown each manifest.
    """
    from rushes.rendering.loop import StopRender
    from rushes.rendering.render import check

    kept = _kept_work(folders, resume)
    with interruptible() as interrupts:
        now = _Now(interrupts)
        try:
            for shot in shots:
                check(shot.plan, shot.request, force=force)
            wanted = shots[0].request
            render = sharing.open(preset, folders, wanted.device, wanted.dtype, force=force)
            for together in sharing.together(shots):
                takes = [_take(shot, timeline_sha256) for shot in together]
                now.begin(can_save=sharing.can_save)
                with now.display:
                    manifests = render(takes, now, kept if now.can_save else None)
                interrupts.look()
                for shot, manifest in zip(together, manifests, strict=True):
                    name_results(shot, manifest, as_json)
                    look(manifest)
        except (KeyboardInterrupt, StopRender) as error:
            _say_interrupted(now.latest, kept, as_json)
            raise typer.Exit(exit_codes.INTERRUPTED) from error


class _Now:
    """The render under way: shows each chunk, and ends the render if asked to."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self.begin(can_save=False)

    def begin(self, *, can_save: bool) -> None:
        """Begin another take, or several, of which nothing is saved."""
        from rushes_queue.cli.show.progress import ProgressDisplay

        self.can_save = can_save
        self.display = ProgressDisplay()
        self.latest: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        self.latest = progress
        is_last = progress.chunk == progress.num_chunks
        self._interrupts.look(can_save=self.can_save and not is_last)
        self.display(progress)


def _take(shot: Shot, timeline_sha256: str | None) -> Take:
    from rushes.files.hashes import sha256_of
    from rushes.rendering.takes import Take

    return Take(shot.plan, shot.request, timeline_sha256 or sha256_of(shot.timeline_file))


def _kept_work(folders: Folders, resume: bool) -> KeptWork:
    from rushes.rendering.save_points import SavePolicy
    from rushes.rendering.work import KeptWork
    from rushes_queue.local.machine_settings import load_settings

    settings = load_settings()
    policy = SavePolicy(settings.save_point_chunks, settings.save_point_seconds)
    return KeptWork(folders.cache / "renders", policy, resume=resume)


def _say_interrupted(latest: Progress | None, kept: KeptWork, as_json: bool) -> None:
    from rushes_queue.cli.show.progress import where

    far = f"at {where(latest)}" if latest else "before the first chunk"
    if kept.saved_chunk is None:
        way_on = "nothing is saved, and the unfinished result was removed"
    else:
        way_on = "it is saved: the same command with --resume goes on"
    said = f"interrupted {far}; {way_on}"
    say(said)
    if as_json:
        print_json_errors([error_json(said, exit_codes.INTERRUPTED)])


def name_results(shot: Shot, manifest: Manifest, as_json: bool) -> None:
    """Say on stdout where the files of one result are, and what came up while it was made."""
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
        if warning not in shot.plan.warnings:  # which were said before
            say(f"warning: {warning}")
    typer.echo(f"video          {video}")
    typer.echo(f"manifest       {request.manifest_path}")
    typer.echo(f"contact sheet  {request.sheet_path}")
