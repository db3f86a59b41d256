"""``rushes render``: a timeline becomes a video, here and now."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.errors import ConfigError
from rushes_queue.cli import exit_codes
from rushes_queue.cli.console import print_json, say
from rushes_queue.cli.flags import FolderFlags, LoadFlags, PlanFlags, ResultFlags, takes_flags

if TYPE_CHECKING:
    from rushes.folders import Folders
    from rushes.presets import Preset
    from rushes.request import RenderRequest
    from rushes.timeline.render_plan import RenderPlan

REAL_PRESET, STAND_IN_PRESET = "streamdiffusionv2-1.3b", "tiny"
# Takes are this far apart, so that no two of them share the noise of a latent frame.
SEEDS_BETWEEN_TAKES = 10_000


@takes_flags
def render(
    timeline: Annotated[Path, typer.Argument(help="Timeline or workflow file.")],
    planned: PlanFlags,
    result: ResultFlags,
    loading: LoadFlags,
    places: FolderFlags,
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
    from rushes.presets import load_preset
    from rushes.request import RenderRequest, refuse_conflicts
    from rushes.timeline.plan import plan_render

    loaded = loading.load(timeline).require(to_render=True)
    wanted = choose_seeds(loaded.settings.seed, seed, takes, seeds)
    options = [planned.options(each, loading.pipeline) for each in wanted]
    folders = replace(places.folders(), loras=loading.lora_folders())
    preset = load_preset(result.preset or default_preset(folders))
    plans = [plan_render(loaded, each, preset) for each in options]
    requests = [
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
        )
        for each, plan in zip(options, plans, strict=True)
    ]
    for request, plan in zip(requests, plans, strict=True):
        refuse_conflicts(request, force)
        refuse_contradictions(request, plan)
    for warning in dict.fromkeys(warning for plan in plans for warning in plan.warnings):
        say(f"warning: {warning}")
    render_all(preset, folders, list(zip(requests, plans, strict=True)), force, as_json)


def render_all(
    preset: Preset,
    folders: Folders,
    work: list[tuple[RenderRequest, RenderPlan]],
    force: bool,
    as_json: bool,
) -> None:
    """Load the networks once, render one take after another, and name the files made."""
    from rushes.device import choose_device, choose_dtype, reuse_freed_memory
    from rushes.pipeline import load_pipeline
    from rushes.render import render as render_plan
    from rushes_queue.cli.progress import ProgressDisplay, where

    device = choose_device(work[0][0].device)
    if device.type == "cpu":
        reuse_freed_memory()
    display = ProgressDisplay()
    try:
        with terminating_as_interrupt():
            pipeline = load_pipeline(
                preset,
                folders,
                device,
                choose_dtype(work[0][0].dtype, device),
                work[0][1].vae_type,
            )
            for request, plan in work:
                display = ProgressDisplay()
                with display:
                    manifest = render_plan(pipeline, plan, request, force=force, report=display)
                name_results(request, manifest, as_json)
    except KeyboardInterrupt as error:
        far = where(display.latest) if display.latest else "before the first chunk"
        say(f"interrupted at {far}; the unfinished result was removed")
        raise typer.Exit(exit_codes.INTERRUPTED) from error


def default_preset(folders: Folders) -> str:
    """Choose the real pipeline if its weights are here, else say that the stand-in is used."""
    from rushes.catalogue import is_installed
    from rushes.presets import load_preset

    if is_installed(load_preset(REAL_PRESET), folders.models):
        return REAL_PRESET
    say(
        f"note: no weights of {REAL_PRESET} below {folders.models}; using preset "
        f"{STAND_IN_PRESET}, whose weights are random: its pictures mean nothing"
    )
    return STAND_IN_PRESET


def choose_seeds(
    in_file: int | None, seed: int | None, takes: int | None, seeds: str | None
) -> list[int | None]:
    """Return the seed of every take; None leaves it to the timeline.

    Raises: typer.BadParameter when the options contradict each other.
    """
    if seeds is not None:
        if seed is not None or takes is not None:
            raise typer.BadParameter("--seeds stands alone, without --seed and --takes")
        parts = [part.strip() for part in seeds.split(",")]
        if not all(part.isdecimal() and len(part) < 20 for part in parts):
            raise typer.BadParameter(f"--seeds {seeds!r} is no list of seeds; write 1,2,3")
        return list(dict.fromkeys(map(int, parts)))
    if takes is None:
        return [seed]
    from rushes.timeline.job_settings import DEFAULT_SEED

    first = seed if seed is not None else in_file if in_file is not None else DEFAULT_SEED
    return [first + take * SEEDS_BETWEEN_TAKES for take in range(takes)]


def name_output(
    output: Path | None, timeline: Path, plan: RenderPlan, *, is_one_of_many: bool
) -> Path:
    """Name a result: as asked, else as the timeline says, else like the timeline file."""
    from rushes.video.names import name_take

    stem = timeline.name.removesuffix(".json").removesuffix(".scope-workflow")
    path = output or Path(f"{plan.output.name or stem}.mp4")
    return name_take(path, plan.seed) if is_one_of_many else path


def refuse_contradictions(request: RenderRequest, plan: RenderPlan) -> None:
    """Refuse an input video that would not be looked at, and a missing one.

    Raises: ConfigError.
    """
    if request.input is not None and not plan.takes_input:
        raise ConfigError(
            f"{request.timeline}: is text to video, so {request.input} would not be used; "
            "give --mode video to use it, or leave --input out"
        )
    if request.input is None and plan.takes_input:
        raise ConfigError(
            f"{request.timeline}: is video to video; give --input VIDEO, or --mode text"
        )


def name_results(request: RenderRequest, manifest: dict[str, Any], as_json: bool) -> None:
    """Say on stdout where the files of one result are."""
    from rushes.video.names import result_path

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
        say(f"warning: {warning}")
    typer.echo(f"video          {video}")
    typer.echo(f"manifest       {request.manifest_path}")
    typer.echo(f"contact sheet  {request.sheet_path}")


@contextmanager
def terminating_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a render as cleanly as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
