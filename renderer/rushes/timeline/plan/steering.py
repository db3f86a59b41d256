"""What steers a render through VACE: files, the chunks that they act on, and their strength."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rushes.errors import ConfigError
from rushes.presets.preset import Preset
from rushes.timeline.document import Images, PromptBlock, Timeline
from rushes.timeline.keyframes import ScheduledValue
from rushes.timeline.names import is_video_name
from rushes.timeline.plan.job_settings import JobSettings
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.plan_warnings import block_path
from rushes.timeline.plan.render_plan import Chunk, Steering

LEAST_WITH_BOTH = 3  # latent frames: the first image takes up to two, the last one


def steer(
    chunks: Sequence[Chunk],
    timeline: Timeline,
    options: PlanOptions,
    job: JobSettings,
    preset: Preset,
) -> tuple[Chunk, ...]:
    """Return the chunks with what steers each of them.

    References act on the chunk with which their block begins, and on resets inside it: later chunks
    follow through their caches. Where anything has frames (a control video, a first or last frame),
    every chunk has some, so that each stays one unbroken stream.
    Raises: ConfigError with a line for each thing that cannot be met.
    """
    images = list(_images_by_chunk(chunks, timeline, options))
    if chunks[0].given_file is not None:
        images[0] = replace(images[0], first_frame=None)
    has_frames = job.has_control_video or any(i.first_frame or i.last_frame for i in images)
    scales = _Scales(timeline, options, job)
    steered = tuple(
        replace(chunk, steering=_steering(chunk, own, scales))
        if has_frames or own.references
        else chunk
        for chunk, own in zip(chunks, images, strict=True)
    )
    faults = list(dict.fromkeys(_faults(steered, timeline, options, job, preset)))
    if faults:
        raise ConfigError("\n".join(faults))
    return steered


def given_beginning(timeline: Timeline, options: PlanOptions, preset: Preset) -> str | None:
    """Return the file with which a render begins, if the model itself can show it.

    A model of clips that makes one latent frame at a time begins with an image; the others with the
    first frames of a video, as many as a whole chunk. An image steers those through VACE.
    Source: sf: pipeline/causal_inference.py (initial_latent)
    """
    first = min(timeline.blocks, key=lambda block: block.start)
    name = options.first_frame or first.images.first_frame
    if preset.clip is None or name is None:
        return None
    return name if preset.chunk.latent_frames == 1 or is_video_name(name) else None


def _images_by_chunk(
    chunks: Sequence[Chunk], timeline: Timeline, options: PlanOptions
) -> Iterator[Images]:
    blocks = {block.index: block for block in timeline.blocks}
    last = len(chunks) - 1
    for place, chunk in enumerate(chunks):
        images = blocks[chunk.prompt_block].images
        begins = place == 0 or chunks[place - 1].prompt_block != chunk.prompt_block
        ends = place == last or chunks[place + 1].prompt_block != chunk.prompt_block
        if options.references:
            references = options.references if place == 0 or chunk.reset else ()
        else:
            references = images.references if begins or chunk.reset else ()
        yield Images(
            references,
            (options.first_frame if place == 0 else None)
            or (images.first_frame if begins else None),
            (options.last_frame if place == last else None)
            or (images.last_frame if ends else None),
        )


class _Scales:
    """How strongly a chunk is steered: command line, block, keyframes, whole document."""

    def __init__(self, timeline: Timeline, options: PlanOptions, job: JobSettings) -> None:
        self._blocks = {block.index: block for block in timeline.blocks}
        self._fixed = options.control_scale
        schedule = timeline.ext.vace_schedule
        self._schedule = ScheduledValue(schedule, job.fps) if schedule else None
        self._default = job.vace_scale

    def of(self, chunk: Chunk) -> float:
        own = self._blocks[chunk.prompt_block].images.scale
        if self._fixed is not None:
            return self._fixed
        if own is not None:
            return own
        return self._schedule.at(chunk.first_frame) if self._schedule else self._default


def _steering(chunk: Chunk, images: Images, scales: _Scales) -> Steering:
    return Steering(scales.of(chunk), images.references, images.first_frame, images.last_frame)


def _faults(
    chunks: Sequence[Chunk],
    timeline: Timeline,
    options: PlanOptions,
    job: JobSettings,
    preset: Preset,
) -> Iterator[str]:
    if job.control.mask is not None and not job.has_control_video:
        yield (
            "a mask needs frames of which it keeps some; give --control VIDEO, or input in "
            "ext.control"
        )
    blocks = {block.index: block for block in timeline.blocks}
    steered = [(chunk, chunk.steering) for chunk in chunks if chunk.steering is not None]
    if steered and not preset.extras.vace:
        yield (
            f"preset {preset.name} has no VACE, through which images and control video steer a "
            "render; use preset streamdiffusionv2-1.3b, or leave them out"
        )
    for chunk, steering in steered:
        block = blocks[chunk.prompt_block]
        room, given = chunk.num_latent_frames, len(steering.references)
        if given > room:
            key = "--reference" if options.references else "ref_images"
            yield (
                f"{_where(timeline, block, key)}: {given} reference images, but chunk "
                f"{chunk.index} has room for {room}; leave {given - room} out"
            )
        if steering.first_frame and steering.last_frame and room < LEAST_WITH_BOTH:
            yield (
                f"{_where(timeline, block, 'first_frame')}: begins and ends in chunk "
                f"{chunk.index}, which cannot show two images; make it longer, or leave one out"
            )


def _where(timeline: Timeline, block: PromptBlock, key: str) -> str:
    return key if key.startswith("--") else f"{block_path(timeline, block)}.ext.vace.{key}"
