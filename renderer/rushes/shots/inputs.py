"""The input video of a render, and what a plan has to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import ConfigError, InputError
from rushes.presets.preset import Preset
from rushes.text import file_name_fault, printable
from rushes.timeline.document import Timeline
from rushes.timeline.plan.job_settings import input_mode
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.read.fit import Deinterlace, Fit

if TYPE_CHECKING:
    from rushes.video.read.input_file import FileStamp
    from rushes.video.read.probe import VideoInfo


@dataclass(frozen=True)
class InputUse:
    """An input video, and all that is done to it on its way into a render.

    ``size`` is [width, height] as shown; ``resized`` that of the render and ``fit`` how it gets
    there, both ``None`` where they are alike. ``num_frames`` are those at the rate of the render,
    ``at_end`` what follows them where the render is longer. ``changes`` are made while decoding.
    """

    file: str
    size: tuple[int, int]
    fps: str
    seconds: float
    fit: Fit | None
    resized: tuple[int, int] | None
    num_frames: int
    at_end: str | None
    changes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-safe data."""
        sizes = {"size": list(self.size), "resized": self.resized and list(self.resized)}
        return {**vars(self), **sizes, "changes": list(self.changes)}


def describe_input(
    video: Path, plan: RenderPlan, fit: Fit = "stretch", deinterlace: Deinterlace = "auto"
) -> InputUse:
    """Return what a render does to its input.

    Raises: MissingFileError, InputError.
    """
    info = _probed(video)
    is_alike = (info.width, info.height) == (plan.width, plan.height)
    num_frames = info.num_frames_at(plan.fps)
    return InputUse(
        file=video.name,
        size=(info.width, info.height),
        fps=str(info.fps),
        seconds=float(info.duration),
        fit=None if is_alike else fit,
        resized=None if is_alike else (plan.width, plan.height),
        num_frames=num_frames,
        at_end=plan.at_end if plan.num_frames > num_frames else None,
        changes=tuple(each.removeprefix(f"{video}: ") for each in info.remarks(deinterlace)),
    )


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
    info = _probed(path)
    facts = {
        "input_fps": info.fps,
        "input_frames": info.num_frames,
        "input_duration": info.duration,
    }
    return options.model_copy(update=facts), info.remarks(deinterlace) if video else ()


def _probed(path: Path) -> VideoInfo:
    """Probe a video once for a plan and for what is said of it, unless it has changed.

    Raises: MissingFileError, InputError.
    """
    from rushes.video.read.input_file import FileStamp  # late: it loads av

    return _probe(path, FileStamp.of(path))


@lru_cache(maxsize=16)
def _probe(path: Path, stamp: FileStamp) -> VideoInfo:
    from rushes.video.read.probe import probe_video

    return probe_video(path)
