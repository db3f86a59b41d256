"""Options of a user or a job, which override the document."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from rushes.errors import ConfigError
from rushes.presets.device_classes import DeviceClass
from rushes.presets.kinds import CachePolicy, Method, Mode, NoiseKind, Positions, VaeType
from rushes.text import printable, shortened
from rushes.timeline.document import Ramp
from rushes.timeline.fields import LARGEST_INTEGER
from rushes.timeline.names import bare_name
from rushes.timeline.plan.profiles import ProfileName
from rushes.timeline.steps import round_side, side_fault, steps_fault
from rushes.timeline.times import LEAST_FPS, LONGEST_SECONDS, MOST_FPS, parse_fraction

AtEnd = Literal["loop", "hold", "stop"]


def _exact(value: Any) -> Any:
    """Read fractions from text without surprises, and floats as they are written."""
    match value:
        case str():
            return parse_fraction(value)
        case float() | Decimal():
            return Fraction(str(value))
    return value


def _allowed_side(pixels: int) -> int:
    fault = side_fault(pixels)
    if not fault and round_side(pixels) != pixels:
        fault = f"is {pixels}, no multiple of 16; the nearest is {round_side(pixels)}"
    if fault:
        raise ValueError(fault)
    return pixels


def _allowed_steps(steps: tuple[int, ...]) -> tuple[int, ...]:
    fault = steps_fault(list(steps))
    if fault:
        raise ValueError(fault)
    return steps


Exact = Annotated[Fraction, BeforeValidator(_exact)]
Rate = Annotated[Exact, Field(ge=LEAST_FPS, le=MOST_FPS)]
Seconds = Annotated[Exact, Field(gt=0, le=LONGEST_SECONDS)]
Side = Annotated[int, AfterValidator(_allowed_side)]
Steps = Annotated[tuple[int, ...], AfterValidator(_allowed_steps)]

_WANTED = {  # what messages suggest, where pydantic's own words do not help
    "fps": f"{float(LEAST_FPS):g} to {MOST_FPS}, such as 24 or 30000/1001",
    "duration": f"seconds above 0 and up to {LONGEST_SECONDS}, 'timeline' or 'input'",
    "seed": f"an integer of 0 to {LARGEST_INTEGER}",
    "noise_scale": "0 to 1",
    "control_scale": "0 to 2",
    "transition_steps": "an integer of 0 or more",
}


class PlanOptions(BaseModel):
    """Options of a plan; ``None`` leaves the choice to the document or the profile.

    ``input_frames`` counts at the input's own rate; without an input video it is the control
    video's. ``pipeline`` says that a file of another pipeline is meant to be rendered with that
    one. ``empty_bank``: a model with a bank of frames records none, as scope runs it.
    ``control`` to ``last_frame`` are files, relative to the timeline unless absolute.
    Units: frames a second, seconds, pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    profile: ProfileName = "scope"
    fps: Rate | None = None
    duration: Seconds | Literal["timeline", "input"] | None = None
    input_fps: Annotated[Exact, Field(gt=0)] | None = None
    input_frames: int | None = Field(default=None, ge=1)
    input_duration: Annotated[Exact, Field(gt=0)] | None = None
    at_end: AtEnd = "loop"
    mode: Mode | None = None
    seed: int | None = Field(default=None, ge=0, le=LARGEST_INTEGER)
    width: Side | None = None
    height: Side | None = None
    denoising_steps: Steps | None = None
    noise_scale: float | None = Field(default=None, ge=0, le=1)
    noise: NoiseKind | None = None
    noise_device: DeviceClass | None = None
    normalise_latents: bool | None = None
    stream_batch: bool | None = None
    on_prompt_change: CachePolicy | None = None
    positions: Positions | None = None
    ramp: Ramp | None = None
    transition_steps: int | None = Field(default=None, ge=0, le=LARGEST_INTEGER)
    transition_method: Method | None = None
    vae_type: VaeType | None = None
    quantization: Literal["fp8_e4m3fn"] | None = None
    control: str | None = None
    mask: str | None = None
    references: tuple[str, ...] = ()
    first_frame: str | None = None
    last_frame: str | None = None
    control_scale: float | None = Field(default=None, ge=0, le=2)
    pipeline: str | None = None
    empty_bank: bool = False

    @property
    def steering_files(self) -> tuple[str, ...]:
        """The files that are to steer the render."""
        files = (self.control, self.mask, *self.references, self.first_frame, self.last_frame)
        return tuple(file for file in files if file is not None)

    def without_folders(self) -> PlanOptions:
        """Return the same options with bare file names, for files beside the timeline."""
        return self.model_copy(
            update={
                "control": self.control and bare_name(self.control),
                "mask": self.mask and bare_name(self.mask),
                "references": tuple(map(bare_name, self.references)),
                "first_frame": self.first_frame and bare_name(self.first_frame),
                "last_frame": self.last_frame and bare_name(self.last_frame),
            }
        )


def make_options(**values: Any) -> PlanOptions:
    """Build the options from what a user typed.

    Raises: ConfigError that names every value that is not allowed, and why.
    """
    try:
        return PlanOptions.model_validate(values)
    except ValidationError as error:
        faults = {str(fault["loc"][0]): fault for fault in error.errors()}
        message = "; ".join(f"{name} {_reason(name, fault)}" for name, fault in faults.items())
        raise ConfigError(message, field=next(iter(faults))) from error


def _reason(name: str, fault: Any) -> str:
    reason = str(fault["msg"]).removeprefix("Value error, ")
    if reason.startswith(("is ", "holds ", "must ")):
        return reason
    wanted = _WANTED.get(name) or reason.removeprefix("Input should be ")
    return f"is {shortened(printable(str(fault['input'])), 40)}; write {wanted}"


def parse_size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT`` in pixels.

    Raises: ConfigError when it is not a size.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(text) < 12):
        raise ConfigError(f"{text!r} is not a size; write width x height, such as 832x480")
    return int(width), int(height)


def parse_steps(text: str) -> tuple[int, ...]:
    """Read denoising steps separated by commas.

    Raises: ConfigError when it is not such a list.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 9 for part in parts):
        raise ConfigError(f"{text!r} is not a list of denoising steps; write 700,500")
    return tuple(map(int, parts))
