"""``rushes plan``: the chunk table of a timeline, before any GPU time is spent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rushes.errors import ConfigError
from rushes_queue.cli.console import print_json, print_table, say

if TYPE_CHECKING:
    from rushes.timeline.options import PlanOptions
    from rushes.timeline.render_plan import Chunk, RenderPlan

HEADER = (
    "chunk",
    "frames",
    "seconds",
    "block",
    "transition",
    "reset",
    "seed",
    "noise",
    "steps",
    "prompt",
)
PROMPT_WIDTH = 40


def plan(
    file: Annotated[Path, typer.Argument(help="Timeline or workflow file.")],
    input_video: Annotated[
        Path | None, typer.Option("--input", help="Input video, for its rate and length.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Pipeline preset, or a .yaml file.")
    ] = "streamdiffusionv2-1.3b",
    profile: Annotated[
        Literal["scope", "scope-2025-10", "upstream"], typer.Option(help="How files are played.")
    ] = "scope",
    fps: Annotated[str | None, typer.Option(help="Frames a second: 24 or 30000/1001.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="Seconds, or 'timeline', or 'input'.")
    ] = None,
    at_end: Annotated[
        Literal["loop", "hold", "stop"], typer.Option(help="When the input ends early.")
    ] = "loop",
    mode: Annotated[
        Literal["text", "video"] | None, typer.Option(help="Text to video or video to video.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces every seed of the file.")] = None,
    steps: Annotated[str | None, typer.Option(help="Denoising steps, such as 700,500.")] = None,
    noise_scale: Annotated[
        float | None, typer.Option(help="0 to 1; replaces schedules too.")
    ] = None,
    on_prompt_change: Annotated[
        Literal["auto", "reset", "keep"] | None,
        typer.Option(help="What a hard prompt change does to the caches."),
    ] = None,
    ramp: Annotated[
        Literal["scope", "eager"] | None, typer.Option(help="Shape of transitions.")
    ] = None,
    transition_steps: Annotated[
        int | None, typer.Option(help="Chunks of a transition where the file says nothing.")
    ] = None,
    transition_method: Annotated[
        Literal["linear", "slerp"] | None,
        typer.Option(help="Interpolation of transitions where the file says nothing."),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Render a file of another pipeline with this one.")
    ] = None,
    lora_dir: Annotated[
        list[Path] | None, typer.Option(help="Folder with LoRA files; may be repeated.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Unknown keys and sizes to be rounded are errors.")
    ] = False,
    allow_version: Annotated[
        bool, typer.Option("--allow-version", help="Accept versions that are unknown.")
    ] = False,
    every_chunk: Annotated[
        bool, typer.Option("--every-chunk", help="One row a chunk, alike or not.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
) -> None:
    """Show which frames, prompts, seeds and resets every chunk of a render will have."""
    from rushes.presets import load_preset
    from rushes.timeline.load import load_timeline
    from rushes.timeline.plan import plan_render

    options = _read_options(
        input_video,
        size,
        steps,
        profile=profile,
        fps=fps,
        duration=duration,
        at_end=at_end,
        mode=mode,
        seed=seed,
        noise_scale=noise_scale,
        on_prompt_change=on_prompt_change,
        ramp=ramp,
        transition_steps=transition_steps,
        transition_method=transition_method,
        pipeline=pipeline,
    )
    loaded = load_timeline(
        file,
        strict=strict,
        allow_version=allow_version,
        lora_folders=lora_dir or [],
        pipeline=pipeline,
    )
    render_plan = plan_render(loaded.require(), options, load_preset(preset))
    for warning in render_plan.warnings:
        say(f"warning: {warning}")
    if render_plan.takes_input and input_video is None and fps is None:
        say("note: no --input, so its frame rate and length are not known")
    if as_json:
        print_json(render_plan.to_dict())
    else:
        runs = list(_runs(render_plan, every_chunk=every_chunk))
        print_table(HEADER, [_row(render_plan, first, last) for first, last in runs])
        typer.echo(_totals(render_plan))


def _read_options(
    input_video: Path | None, size: str | None, steps: str | None, **flags: Any
) -> PlanOptions:
    from rushes.timeline.options import make_options, parse_size, parse_steps

    try:
        if size is not None:
            flags["width"], flags["height"] = parse_size(size)
        if steps is not None:
            flags["denoising_steps"] = parse_steps(steps)
        options = make_options(**flags)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    return options if input_video is None else _with_input(options, input_video)


def _with_input(options: PlanOptions, input_video: Path) -> PlanOptions:
    from rushes.video.probe import probe_video

    info = probe_video(input_video)
    return options.model_copy(
        update={
            "input_fps": info.fps,
            "input_frames": info.num_frames,
            "input_duration": info.duration,
        }
    )


def _runs(plan: RenderPlan, *, every_chunk: bool) -> Iterator[tuple[Chunk, Chunk]]:
    """Yield the first and last chunk of each run of chunks that differ in their number only."""
    first = last = plan.chunks[0]
    for chunk in plan.chunks[1:]:
        if every_chunk or chunk.reset or _kind(chunk) != _kind(last) or last.transition is not None:
            yield first, last
            first = chunk
        last = chunk
    yield first, last


def _kind(chunk: Chunk) -> tuple[object, ...]:
    return chunk.prompt_block, chunk.transition, chunk.noise_scale, chunk.denoising_steps


def _row(plan: RenderPlan, first: Chunk, last: Chunk) -> tuple[str, ...]:
    from rushes.timeline.problems import printable, shortened

    end = last.first_frame + last.num_frames
    text = plan.prompts[first.prompt_block][0].text
    return (
        _span(first.index, last.index),
        _span(first.first_frame, end - 1),
        f"{float(first.first_frame / plan.fps):.3f}",
        str(first.prompt_block),
        "" if first.transition is None else f"{first.transition:.3f} {first.transition_method}",
        "reset" if first.reset else "",
        _span(first.seed, last.seed),
        "" if first.noise_scale is None else f"{first.noise_scale:.3g}",
        ",".join(map(str, first.denoising_steps)),
        shortened(printable(text), PROMPT_WIDTH),
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _totals(plan: RenderPlan) -> str:
    dropped = plan.num_frames_made - plan.num_frames
    resets = sum(chunk.reset for chunk in plan.chunks) - 1
    parts = (
        f"{len(plan.chunks):,} chunks",
        f"{plan.num_frames:,} frames" + (f" ({dropped} more made and dropped)" if dropped else ""),
        f"{float(plan.duration):.3f} s at {float(plan.fps):.6g} fps",
        f"{plan.width} x {plan.height}",
        f"{plan.mode} mode",
        f"profile {plan.profile}",
        f"{resets} reset{'' if resets == 1 else 's'} after the start",
    )
    return ", ".join(parts)
