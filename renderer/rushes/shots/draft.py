"""A timeline at a glance: the first chunk of every prompt block, by a small model, on one sheet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.files.publish import PendingOutput, require_folder
from rushes.presets.preset import Preset
from rushes.rendering.contact_frames import caption
from rushes.rendering.fitted import FittedRenderer, open_renderer
from rushes.rendering.frames import render_frames
from rushes.rendering.request import RenderRequest
from rushes.timeline.document import PromptBlock, Timeline
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.video.contact_sheet import Picture, Tile, choose_blocks, save_contact_sheet

_LONG_ENOUGH = 60_000_000  # of a block for one chunk, in microseconds or frames


def draft_sheet(
    output: Path,
    timeline: Timeline,
    file: Path,
    preset: Preset,
    options: PlanOptions,
    *,
    folders: Folders,
    video: Path | None = None,
    device: str = "auto",
) -> int:
    """Draw a sheet with one frame of every block, and return how many blocks it shows.

    Each block is rendered as if it began there, without its transition, over the frames of the
    input that belong to its start. ``file`` is where the timeline lies.
    Raises: ConfigError when the output is not a .png or the options cannot be met; CheckpointError
        without weights; MissingFileError, InputError for the input; WriteError.
    """
    if output.suffix.lower() != ".png":
        raise ConfigError(f"{output}: a draft is a picture; name it .png")
    require_folder(output)
    whole = plan_render(timeline, options, preset)
    request = RenderRequest(
        timeline=file, output=output, input=video, options=options, preset=preset.name
    )
    starts = _first_chunks(whole)
    chosen = [starts[index] for index in choose_blocks(len(starts))]
    renderer = open_renderer(preset, folders, device, "auto")
    tiles = [_tile(timeline, whole, chunk, request, renderer, preset) for chunk in chosen]
    with PendingOutput(output) as pending:
        save_contact_sheet(pending.temporary, tiles, num_blocks=len(starts))
        pending.publish()
    return len(tiles)


def draft_options(options: PlanOptions, preset: Preset) -> PlanOptions:
    """Return the options of a take as its draft has them, with another pipeline and decoder."""
    vae_type = None if preset.brings_weights else "tae"
    return options.model_copy(update={"pipeline": preset.pipeline_id, "vae_type": vae_type})


def _first_chunks(plan: RenderPlan) -> list[Chunk]:
    found: dict[int, Chunk] = {}
    for chunk in plan.chunks:
        found.setdefault(chunk.prompt_block, chunk)
    return list(found.values())


def _tile(
    timeline: Timeline,
    whole: RenderPlan,
    start: Chunk,
    request: RenderRequest,
    renderer: FittedRenderer,
    preset: Preset,
) -> Tile:
    plan = _plan_of_start(timeline, whole, start, request.options, preset)
    _, frames = next(iter(render_frames(renderer.load(plan), plan, request)))
    shown = start.first_frame + len(frames) - 1
    picture = Picture(shown, float(shown / whole.fps), frames[-1])
    return Tile(start.prompt_block, caption(whole, start.prompt_block), (picture,))


def _plan_of_start(
    timeline: Timeline, whole: RenderPlan, start: Chunk, options: PlanOptions, preset: Preset
) -> RenderPlan:
    """Return a plan of one chunk that begins a stream at the place of a block's first chunk.

    Values over time are those of its place.
    """
    block = next(each for each in timeline.blocks if each.index == start.prompt_block)
    alone = replace(timeline, blocks=(_from_zero(block),), transition_steps=None)
    plan = plan_render(alone, options.model_copy(update={"duration": None}), preset)
    chunk = replace(
        plan.chunks[0],
        first_frame=start.first_frame,
        seed=start.seed,
        noise_scale=start.noise_scale,
        lora_scales=start.lora_scales,
        steering=start.steering,
    )
    return replace(plan, chunks=(chunk,), num_frames=whole.num_frames_made)


def _from_zero(block: PromptBlock) -> PromptBlock:
    return replace(block, start=0, end=_LONG_ENOUGH, transition=None, transition_steps=None)
