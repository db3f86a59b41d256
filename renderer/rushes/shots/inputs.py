"""The input video of a render, and what a plan has to know about it."""

from __future__ import annotations

from pathlib import Path

from rushes.errors import ConfigError, InputError
from rushes.presets.preset import Preset
from rushes.text import file_name_fault, printable
from rushes.timeline.document import Timeline
from rushes.timeline.plan.job_settings import input_mode
from rushes.timeline.plan.options import PlanOptions
from rushes.video.read.fit import Deinterlace


def named_input(
    timeline: Timeline, folder: Path, options: PlanOptions, preset: Preset
) -> Path | None:
    """Return the input video that a timeline in a folder names, if it is to be rendered with it.

    Raises: InputError when it is not there.
    """
    named = timeline.ext.input
    if named is None or input_mode(timeline, options.mode, preset) == "text":
        return None
    if not (folder / named).exists():
        raise InputError(
            f"{folder / named}: there is no such input file; copy it there, or give --input VIDEO"
        )
    return folder / named


def refuse_odd_name(file: Path) -> None:
    """Refuse a file whose name cannot be written into a manifest or a job.

    Raises: ConfigError.
    """
    if fault := file_name_fault(file.name):
        raise ConfigError(f"{printable(str(file))}: the file's name {fault}; rename it")


def with_input(
    options: PlanOptions, video: Path | None, folder: Path, deinterlace: Deinterlace = "auto"
) -> tuple[PlanOptions, tuple[str, ...]]:
    """Return options that know rate and length of the input video, or else of the control video.

    Also returns how the input's pictures are converted, for the plan's warnings.
    ``folder`` is where the timeline lies.
    Raises: MissingFileError, InputError; ConfigError for a name that no file should have.
    """
    for file in (*([video] if video else ()), *map(Path, options.steering_files)):
        refuse_odd_name(file)
    control = folder / options.control if options.control is not None else None
    path = video or control
    if path is None:
        return options, ()
    from rushes.video.read.probe import probe_video  # late: it loads av

    info = probe_video(path)
    facts = {
        "input_fps": info.fps,
        "input_frames": info.num_frames,
        "input_duration": info.duration,
    }
    return options.model_copy(update=facts), info.remarks(deinterlace) if video else ()
