"""From a timeline to the chunks that render it; everything is decided before a GPU is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from rushes.errors import ConfigError
from rushes.presets.preset import Preset
from rushes.timeline.document import MICROSECONDS, MOST_FILES, Prompt, PromptBlock, Timeline
from rushes.timeline.keyframes import ScheduledValue
from rushes.timeline.plan.job_settings import JobSettings, job_settings
from rushes.timeline.plan.lengths import block_frames, count_frames
from rushes.timeline.plan.lora_strengths import LoraStrengths
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.plan_warnings import warn_of_plan
from rushes.timeline.plan.prompt_changes import Change, PromptChanges
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.timeline.plan.spans import Span, active_spans
from rushes.timeline.plan.steering import given_beginning, steer
from rushes.timeline.problems import Problem, Problems
from rushes.timeline.steps import TOKEN_PIXELS


def plan_render(timeline: Timeline, options: PlanOptions, preset: Preset) -> RenderPlan:
    """Plan a render; the same arguments always give the same plan.

    Raises: ConfigError when the options cannot be met.
    """
    return plan_with_problems(timeline, options, preset)[0]


def plan_with_problems(
    timeline: Timeline, options: PlanOptions, preset: Preset
) -> tuple[RenderPlan, tuple[Problem, ...]]:
    """Plan a render; also return the problems found by planning, without the document's.

    Raises: ConfigError when the options cannot be met.
    """
    problems = Problems()
    job = job_settings(timeline, options, preset)
    num_frames = count_frames(timeline, options, job, problems)
    frames = [
        block_frames(block, timeline.ext.unit, job.fps, num_frames) for block in timeline.blocks
    ]
    spans = active_spans(timeline.blocks, frames)
    walk = _Walk(timeline, options, preset, job)
    chunks = tuple(walk.chunks(spans, num_frames))
    if not chunks:
        first = preset.chunk.num_frames(job.mode, is_first=True)
        raise ConfigError(f"{num_frames} frames do not fill the first chunk of {first}")
    chunks = steer(chunks, timeline, options, job, preset)
    if job.profile.whole_chunks_only:
        num_frames = chunks[-1].first_frame + chunks[-1].num_frames
    warn_of_plan(timeline, job, preset, chunks, frames, num_frames, problems)
    found = tuple(problems)
    plan = _assemble(timeline, options, preset, job, num_frames, chunks, found)
    plan = replace(plan, loras=walk.lora_strengths.loras)
    num_files = len(plan.steering_files) + len(plan.loras)
    if num_files > MOST_FILES:
        raise ConfigError(
            f"{num_files:,} files steer this render or are its LoRAs; at most {MOST_FILES:,} are "
            "allowed, so split the timeline"
        )
    return plan, found


def _assemble(
    timeline: Timeline,
    options: PlanOptions,
    preset: Preset,
    job: JobSettings,
    num_frames: int,
    chunks: tuple[Chunk, ...],
    found: tuple[Problem, ...],
) -> RenderPlan:
    shown = {chunk.prompt_block for chunk in chunks}
    blocks = [block for block in timeline.blocks if block.index in shown]
    has_bias = preset.memory.context_bias is not None
    return RenderPlan(
        profile=job.profile.name,
        variant=job.variant,
        stream_batch=job.stream_batch,
        pipeline_id=preset.pipeline_id,
        mode=job.mode,
        takes_input=job.takes_input,
        fps=job.fps,
        num_frames=num_frames,
        width=job.width,
        height=job.height,
        seed=job.seed,
        spatial_method=timeline.spatial_method,
        noise_controller=job.noise_controller,
        manage_cache=job.manage_cache,
        vae_type=job.vae_type,
        noise=job.noise,
        noise_device=job.noise_device,
        normalise_latents=job.normalise_latents,
        quantization=options.quantization or timeline.settings.quantization,
        control=job.control,
        at_end=options.at_end,
        frames_one_to_one=job.profile.frames_one_to_one,
        loras=timeline.settings.loras,
        audio=timeline.ext.audio,
        output=timeline.ext.output,
        prompts={block.index: _wrapped(block.prompts, timeline) for block in blocks},
        block_times={
            block.index: _block_seconds(block, timeline, job.fps, num_frames) for block in blocks
        },
        warnings=(*timeline.warnings, *map(str, found)),
        chunks=chunks,
        positions=job.positions,
        context_bias=timeline.settings.attention_bias if has_bias else None,
    )


class _Walk:
    """One pass over the frames, chunk by chunk, with the state between chunks."""

    def __init__(
        self, timeline: Timeline, options: PlanOptions, preset: Preset, job: JobSettings
    ) -> None:
        self.job = job
        self.options = options
        self.chunk, self.clip = preset.chunk, preset.clip
        self.positions_grow = preset.positions_grow
        self.keeps_seed = preset.draws_whole_clips
        self.beginning = given_beginning(timeline, options, preset)
        self.first_steps = job.first_steps
        self.on_prompt_change = options.on_prompt_change or job.profile.on_prompt_change
        self.presets_policy = preset.play.on_prompt_change
        self.changes = PromptChanges(
            default_steps=job.transition_steps,
            default_method=job.transition_method,
            ramp=job.ramp,
            fps=job.fps,
            chunk_frames=preset.chunk.num_frames(job.mode, is_first=False),
        )
        schedule = timeline.ext.noise_schedule if options.noise_scale is None else None
        self.noise_schedule = ScheduledValue(schedule, job.fps) if schedule else None
        loras = timeline.settings.loras
        self.lora_strengths = LoraStrengths(loras, timeline.ext, timeline.blocks, job.fps)
        self.block: PromptBlock | None = None
        self.seed = job.seed
        self.steps = job.denoising_steps
        self.num_given = 0  # latent frames with which the clip began
        ends_at_zero = job.profile.ends_text_at_zero and job.mode == "text"
        self.last_steps = (0,) if ends_at_zero else ()

    def chunks(self, spans: Sequence[Span], num_frames: int) -> Iterator[Chunk]:
        """Yield the chunks that cover the frames, each sampled at its first frame."""
        profile = self.job.profile
        tokens = self.job.height * self.job.width // TOKEN_PIXELS**2
        seed_stride = 0 if self.keeps_seed else tokens if profile.seeds_in_tokens else 1
        upcoming = iter([*spans[1:], Span(num_frames, spans[-1].block)])
        block, following = spans[0].block, next(upcoming)
        frame = index = position = since_reset = 0
        while frame < num_frames:
            while following.first_frame <= frame:
                block, following = following.block, next(upcoming)
            wants_reset = block is not self.block and self._enter(block)
            is_carried_over = self._is_clip_over(position) and not wants_reset
            is_reset = (
                wants_reset or is_carried_over or index == 0 or self._is_position_used_up(position)
            )
            given_file = self.beginning if index == 0 else None
            num_made = self._num_made(is_reset, is_carried_over, given_file)
            if profile.whole_chunks_only and frame + num_made > num_frames:
                return
            if is_reset:
                position = since_reset = 0
                self.num_given = (num_made + 3) // 4 if is_carried_over or given_file else 0
            num_latent_frames = (num_made + 3) // 4
            num_shown = num_made
            if frame + num_made < num_frames and self._is_clip_over(position + num_latent_frames):
                num_shown -= self.clip.overlap_frames if self.clip else 0
            yield Chunk(
                index=index,
                first_frame=frame,
                num_frames=num_shown,
                num_latent_frames=num_latent_frames,
                position=position,
                prompt_block=block.index,
                transition=self.changes.advance(),
                transition_method=self.changes.method,
                reset=is_reset,
                seed=self.seed + since_reset * seed_stride,
                noise_scale=self._noise_scale(frame),
                lora_scales=self.lora_strengths.at(block, frame),
                denoising_steps=(*self._steps_at(position), *self.last_steps),
                keeps_first_step=is_reset and profile.keeps_first_step,
                is_carried_over=is_carried_over,
                given_file=given_file,
            )
            frame += num_shown
            index += 1
            moved = num_latent_frames
            if is_reset and self.job.mode == "video":
                moved -= self.chunk.first_video_step_back
            position += moved
            since_reset += moved
            if profile.rewind_position is not None and position >= profile.rewind_position:
                position = self.chunk.window - 1

    def _num_made(self, is_reset: bool, is_carried_over: bool, given: str | None) -> int:
        """Return how many frames a chunk makes, including given ones."""
        if is_carried_over and self.clip is not None:
            return self.clip.overlap_frames
        if given is not None:
            return 4 * (self.chunk.latent_frames - 1) + 1
        return self.chunk.num_frames(self.job.mode, is_first=is_reset)

    def _is_clip_over(self, position: int) -> bool:
        return self.clip is not None and position >= self.clip.frames

    def _steps_at(self, position: int) -> tuple[int, ...]:
        """Return the steps of a chunk; those of the first one may differ."""
        is_first_made = position == self.num_given
        return self.first_steps if is_first_made and self.first_steps else self.steps

    def _enter(self, block: PromptBlock) -> bool:
        """Switch to a block's prompts and parameters; return whether the caches are reset for it.

        Source: scope: src/scope/core/pipelines/wan2_1/blocks/setup_caches.py, set_timesteps.py
        """
        self.block = block
        change = self.changes.enter(block)
        old_steps = self.steps
        if self.options.denoising_steps is None:
            self.steps = block.denoising_steps or self.job.denoising_steps
        if self.options.seed is None:
            self.seed = self.job.seed if block.seed is None else block.seed
        if self.job.stream_batch and len(self.steps) != len(old_steps):
            return True  # the rows of the batch are the steps
        policy = self.on_prompt_change or block.cache or self.presets_policy
        if policy == "keep":
            return False
        if self.on_prompt_change is None and block.cache == "reset":
            return True
        if self.job.manage_cache and self.steps != old_steps:
            return True
        if policy == "reset":
            return change in (Change.HARD, Change.CUT_SHORT)
        has_video = self.job.takes_input or self.job.has_control_video
        return change is Change.HARD and has_video and self.job.manage_cache

    def _is_position_used_up(self, position: int) -> bool:
        limit = self.job.profile.reset_position
        if limit is None or not self.positions_grow:
            return False
        reach = self.chunk.latent_frames if self.job.profile.reset_fits_chunk else 0
        return position >= limit - reach

    def _noise_scale(self, frame: int) -> float | None:
        if self.job.mode == "text":
            return None
        return self.noise_schedule.at(frame) if self.noise_schedule else self.job.noise_scale


def _wrapped(prompts: tuple[Prompt, ...], timeline: Timeline) -> tuple[Prompt, ...]:
    """Put prefix and suffix around each text."""
    before, after = timeline.ext.prefix, timeline.ext.suffix
    return tuple(
        Prompt(", ".join(part for part in (before, prompt.text, after) if part), prompt.weight)
        for prompt in prompts
    )


def _block_seconds(
    block: PromptBlock, timeline: Timeline, fps: Fraction, num_frames: int
) -> tuple[float, float]:
    scale = fps if timeline.ext.unit == "frames" else Fraction(MICROSECONDS)
    end = num_frames / fps if block.end is None else block.end / scale
    return float(block.start / scale), float(end)
