"""Checks the result file of a plan and its sound before anything is rendered."""

from __future__ import annotations

from pathlib import Path

from rushes.errors import ConfigError, InputError, MissingFileError
from rushes.timeline.plan.render_plan import RenderPlan


def check_result(
    plan: RenderPlan,
    folder: Path,
    output: Path,
    *,
    audio: str | None = None,
    codec: str | None = None,
    crf: int | None = None,
    enlarge: int = 1,
) -> None:
    """Refuse a plan whose sound is missing, or that no file of that name can hold.

    ``folder`` is where the timeline lies; arguments override the plan. Hardware is not checked,
    since the result may be made on another machine.
    Raises: InputError for the sound, MissingFileError where it was given; ConfigError and
        ShapeError for the file.
    """
    _check_sound(plan, folder, audio)
    codec = codec or plan.output.codec
    crf = plan.output.crf if crf is None else crf
    if codec is None and crf is None and output.suffix.lower() == ".mp4":
        return  # its default fits, and av need not be loaded
    from rushes.video.write.writer import choose_format

    choose_format(
        output,
        fps=plan.fps,
        width=plan.width * enlarge,
        height=plan.height * enlarge,
        codec=codec,
        crf=crf,
        hardware=False,
    )


def _check_sound(plan: RenderPlan, folder: Path, audio: str | None) -> None:
    source = audio or (plan.audio and plan.audio.source)
    if source == "none" or source is None:
        return
    if source == "input":
        if not plan.takes_input:
            raise ConfigError(
                "the sound is to be that of the input, but this is text to video, without one; "
                "name a sound file, or give --audio none"
            )
        return
    path = Path(audio) if audio is not None else folder / str(plan.audio and plan.audio.uri)
    if not path.exists():
        fault = InputError if audio is None else MissingFileError
        raise fault(f"{path}: there is no such sound file; check its name, or give --audio none")
    from rushes.video.audio import holds_sound  # late: it loads av

    if not holds_sound(path):
        raise InputError(f"{path}: holds no sound; name a sound file, or give --audio none")
