"""The options of plans and renders as keyword arguments, for editors and type checkers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from rushes.presets.kinds import (
    CachePolicy,
    GraphsChoice,
    Method,
    Mode,
    NoiseKind,
    Positions,
    VaeType,
)
from rushes.timeline.document import Ramp
from rushes.timeline.plan.options import AtEnd, PlanOptions, make_options
from rushes.video.read.fit import Deinterlace, Fit

Number = Fraction | float | str  # 24, 23.976 or "30000/1001"


class PlanValues(TypedDict, total=False):
    """What decides the chunks; defaults come from the timeline or the profile.

    Files are relative to the current folder. Units: frames a second, seconds, pixels.
    """

    profile: str
    fps: Number | None
    duration: Number | Literal["timeline", "input"] | None
    at_end: AtEnd
    mode: Mode | None
    seed: int | None
    width: int | None
    height: int | None
    denoising_steps: Sequence[int] | None
    noise_scale: float | None
    noise: NoiseKind | None
    noise_device: str | None
    normalise_latents: bool | None
    stream_batch: bool | None
    on_prompt_change: CachePolicy | None
    positions: Positions | None
    ramp: Ramp | None
    transition_steps: int | None
    transition_method: Method | None
    vae_type: VaeType | None
    quantization: Literal["fp8_e4m3fn"] | None
    control: Path | str | None
    mask: Path | str | None
    references: Sequence[Path | str]
    first_frame: Path | str | None
    last_frame: Path | str | None
    control_scale: float | None
    pipeline: str | None
    empty_bank: bool


class PictureValues(TypedDict, total=False):
    """Where a render is computed, and how its input meets the size."""

    device: str
    dtype: str
    threads: int | None
    graphs: GraphsChoice
    fit: Fit
    deinterlace: Deinterlace


class ResultValues(PictureValues, total=False):
    """The same, and the result file: fields of ``RenderRequest``."""

    codec: str | None
    crf: int | None
    hardware_encoder: bool
    audio: str | None
    enlarge: int


class FramesValues(PlanValues, PictureValues, total=False):
    """The options of ``rushes.frames``."""


class RenderValues(PlanValues, ResultValues, total=False):
    """The options of ``rushes.render``."""


_STEERING = ("control", "mask", "first_frame", "last_frame")


def plan_options(**values: Unpack[PlanValues]) -> PlanOptions:
    """Check the options of a plan.

    Raises: ConfigError that names every value that is not allowed, and why.
    """
    checked: dict[str, Any] = dict(values)
    for name in _STEERING:
        if checked.get(name) is not None:
            checked[name] = _absolute(checked[name])
    checked["references"] = tuple(map(_absolute, checked.get("references") or ()))
    return make_options(**checked)


def split_values(values: RenderValues | FramesValues) -> tuple[PlanValues, ResultValues]:
    """Return the options of the plan, and those of the result."""
    plan: Any = {name: value for name, value in values.items() if name in _PLAN_NAMES}
    result: Any = {name: value for name, value in values.items() if name not in _PLAN_NAMES}
    return plan, result


_PLAN_NAMES = frozenset(PlanValues.__annotations__)


def _absolute(file: Path | str) -> str:
    return str(Path(file).absolute())
