"""How many frames the result has, and which of them belong to a block."""

from __future__ import annotations

from fractions import Fraction

from rushes.errors import ConfigError
from rushes.timeline.document import PromptBlock, Timeline, Unit
from rushes.timeline.plan.job_settings import JobSettings
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.problems import Problems
from rushes.timeline.times import ceil_frames, first_frame_at

NO_LENGTH_FRAMES = 81  # length of both systems' example input
MOST_FRAMES = 10_000_000


def block_frames(block: PromptBlock, unit: Unit, fps: Fraction, num_frames: int) -> tuple[int, int]:
    """Return the frames of a block: from the first one inside to the first one after it."""
    end = num_frames if block.end is None else to_frame(block.end, unit, fps)
    return to_frame(block.start, unit, fps), end


def to_frame(at: int, unit: Unit, fps: Fraction) -> int:
    return at if unit == "frames" else first_frame_at(at, fps)


def count_frames(
    timeline: Timeline, options: PlanOptions, job: JobSettings, problems: Problems
) -> int:
    """Return the number of frames that the result has.

    Raises: ConfigError when the input's length is asked for but unknown, or when there is more
        than one job can hold.
    """
    fps = job.fps
    given = _input_frames(options, fps, one_to_one=job.profile.frames_one_to_one)
    if isinstance(options.duration, Fraction):
        num_frames = ceil_frames(options.duration, fps)
    elif options.duration == "input":
        if given is None:
            raise ConfigError(
                "the duration is that of the input, but there is no input; add --input"
            )
        num_frames = given
    else:
        num_frames = _timeline_frames(timeline, fps) or given or 0
    if not num_frames:
        num_frames = NO_LENGTH_FRAMES
        message = f"the file has no length; {num_frames} frames are made; set --duration"
        problems.warn("", message, num_frames)
    if options.at_end == "stop" and (job.takes_input or job.has_control_video):
        num_frames = min(num_frames, given or num_frames)
    if num_frames > MOST_FRAMES:
        raise ConfigError(
            f"{num_frames:,} frames are more than the {MOST_FRAMES:,} of one job; "
            "shorten it with --duration"
        )
    return num_frames


def _timeline_frames(timeline: Timeline, fps: Fraction) -> int | None:
    ends = [block.end for block in timeline.blocks if block.end is not None]
    return to_frame(max(ends), timeline.ext.unit, fps) if ends else None


def _input_frames(options: PlanOptions, fps: Fraction, *, one_to_one: bool) -> int | None:
    """Return how many frames of the result the input lasts."""
    if options.input_frames and (one_to_one or options.input_fps in (None, fps)):
        return options.input_frames
    duration = options.input_duration
    if duration is None and options.input_frames and options.input_fps:
        duration = options.input_frames / options.input_fps
    return ceil_frames(duration, fps) if duration else None
