"""Warnings about what the author of a timeline may not have intended."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from rushes.presets.preset import Preset
from rushes.timeline.document import PromptBlock, Timeline
from rushes.timeline.names import bare_name
from rushes.timeline.plan.job_settings import JobSettings
from rushes.timeline.plan.render_plan import Chunk
from rushes.timeline.problems import Problems
from rushes.timeline.steps import first_timestep

LEAST_TIMESTEP = 10
MOST_LISTED = 20


def warn_of_plan(
    timeline: Timeline,
    job: JobSettings,
    preset: Preset,
    chunks: Sequence[Chunk],
    frames: Sequence[tuple[int, int]],
    num_frames: int,
    problems: Problems,
) -> None:
    """Warn of what may differ from the author's intention: sizes, hidden blocks, noise, resets."""
    _warn_of_size(job, preset, problems)
    _warn_of_hidden_blocks(timeline, chunks, frames, num_frames, problems)
    _warn_of_low_noise(job, chunks, problems)
    _warn_of_step_changes(timeline, job, chunks, problems)
    _warn_of_long_clips(preset, chunks, problems)
    if timeline.ext.input is not None and not job.takes_input:
        named = bare_name(timeline.ext.input)
        problems.warn("", f"the input {named} is not used: this is text to video", named)
    if job.noise_controller and timeline.ext.noise_schedule:
        message = "is followed by a tenth only: noiseController is on; set it to false"
        problems.warn("ext.schedules.noise_scale", message)


def _warn_of_long_clips(preset: Preset, chunks: Sequence[Chunk], problems: Problems) -> None:
    clip = preset.clip
    num_clips = 1 + sum(chunk.is_carried_over for chunk in chunks)
    if clip is not None and clip.extends_itself and num_clips > 1:
        message = (
            f"preset {preset.name} is made for clips of {4 * (clip.frames - 1) + 1} frames; this "
            f"render is {num_clips}, each from the end of the one before, which its authors do not "
            "offer"
        )
        problems.warn("", message, num_clips)


def block_path(timeline: Timeline, block: PromptBlock) -> str:
    """Return where a block stands in the file."""
    if timeline.kind == "timeline":
        return f"prompts[{block.index}]"
    return "prompts" if block.end is None else f"timeline.entries[{block.index}]"


def _warn_of_size(job: JobSettings, preset: Preset, problems: Problems) -> None:
    limit = preset.largest_side
    if limit is None or max(job.asked_size) <= limit:
        return
    asked_height, asked_width = job.asked_size
    if job.asked_size == (job.height, job.width):
        message = f"preset {preset.name} was trained for at most {limit} pixels a side"
        problems.warn("", f"{message}; {job.width}x{job.height} will not look right", limit)
        return
    message = (
        f"{asked_width}x{asked_height} is rendered as {job.width}x{job.height}: preset "
        f"{preset.name} was trained for at most {limit} pixels a side; --size overrules that"
    )
    problems.warn("settings.resolution", message, [asked_height, asked_width])


def _warn_of_hidden_blocks(
    timeline: Timeline,
    chunks: Sequence[Chunk],
    frames: Sequence[tuple[int, int]],
    num_frames: int,
    problems: Problems,
) -> None:
    shown = {chunk.prompt_block for chunk in chunks}
    starts = [chunk.first_frame for chunk in chunks]
    hidden = [
        (block, span)
        for block, span in zip(timeline.blocks, frames, strict=True)
        if block.index not in shown
    ]
    for block, (first, end) in hidden[:MOST_LISTED]:
        place = bisect_left(starts, first)
        if first >= num_frames:
            reason = f"it begins after the last frame, {num_frames - 1}"
        elif place == len(starts) or starts[place] >= end:
            reason = f"no chunk starts in its frames {first} … {max(first, end - 1)}"
        else:
            reason = "an earlier block of the file covers it"
        problems.warn(block_path(timeline, block), f"is never shown: {reason}", block.index)
    if len(hidden) > MOST_LISTED:
        problems.warn("", f"{len(hidden) - MOST_LISTED:,} more blocks are never shown")


def _warn_of_low_noise(job: JobSettings, chunks: Sequence[Chunk], problems: Problems) -> None:
    if job.mode == "text" or job.noise_controller:
        return
    lowest = min(chunks, key=lambda chunk: chunk.noise_scale or 0.0)
    timestep = first_timestep(lowest.noise_scale or 0.0)
    if timestep < LEAST_TIMESTEP:
        steps = [timestep, *lowest.denoising_steps[1:]]
        message = (
            f"noise scale {lowest.noise_scale:.6g} makes the first timestep {timestep}: the "
            f"denoising steps become {steps}; raise it to 0.11 or more"
        )
        problems.warn("", message, lowest.noise_scale)


def _warn_of_step_changes(
    timeline: Timeline, job: JobSettings, chunks: Sequence[Chunk], problems: Problems
) -> None:
    if not any(block.denoising_steps for block in timeline.blocks) or not job.manage_cache:
        return
    paths = {block.index: block_path(timeline, block) for block in timeline.blocks}
    resets = [
        after
        for before, after in pairwise(chunks)
        if after.reset and after.denoising_steps != before.denoising_steps
    ]
    for chunk in resets[:MOST_LISTED]:
        message = f"changes the denoising steps, so the caches restart at frame {chunk.first_frame}"
        problems.warn(paths[chunk.prompt_block], message, list(chunk.denoising_steps))
