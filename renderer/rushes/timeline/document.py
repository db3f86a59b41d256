"""The timeline in memory: one frozen model for every kind and version of file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from rushes.presets.device_classes import DeviceClass
from rushes.presets.kinds import CachePolicy, Method, Mode, NoiseKind, Positions, VaeType
from rushes.timeline.easing import LINEAR, Ease

Unit = Literal["microseconds", "frames"]
LengthUnit = Literal["seconds", "frames", "chunks"]
Ramp = Literal["scope", "eager"]
MergeMode = Literal["permanent_merge", "runtime_peft"]

RAMPS = ("scope", "eager")
MERGE_MODES = ("permanent_merge", "runtime_peft")

MICROSECONDS = 1_000_000
# Limits of files, plans and jobs; far more than any network uses.
LONGEST_PROMPT = 100_000  # characters
MOST_PROMPTS = 100_000  # of all blocks
MOST_FILES = 1000  # LoRAs, and files for VACE


@dataclass(frozen=True, slots=True)
class Prompt:
    """One weighted text; only the ratio of weights counts."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Transition:
    """``ext.transition``: how long the move to a block's prompts takes, and its shape.

    ``length`` is in ``unit``; ``None`` leaves the length to ``transitionSteps``.
    """

    length: Fraction | None = None
    unit: LengthUnit = "chunks"
    ease: Ease = LINEAR
    ramp: Ramp | None = None


@dataclass(frozen=True, slots=True)
class Images:
    """``ext.vace`` of a block: files that steer it through VACE, and how strongly.

    ``references`` are used where the block begins; it begins with ``first_frame`` and ends with
    ``last_frame``.
    """

    references: tuple[str, ...] = ()
    first_frame: str | None = None
    last_frame: str | None = None
    scale: float | None = None

    @property
    def files(self) -> tuple[str, ...]:
        files = (*self.references, self.first_frame, self.last_frame)
        return tuple(file for file in files if file is not None)


NO_IMAGES = Images()


@dataclass(frozen=True, slots=True)
class ControlVideo:
    """``ext.control``: a video that steers all of a render through VACE, and how strongly.

    ``mask`` is a video or an image, white where pictures are generated.
    """

    video: str | None = None
    mask: str | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class PromptBlock:
    """One span of the timeline and the prompts that hold during it.

    ``index`` is the block's place in the file, also when blocks before it were dropped. ``end`` is
    ``None`` for a workflow without timeline: its one block lasts as long as the job.
    Units: start and end in the timeline's ``unit``.
    """

    index: int
    start: int
    end: int | None
    prompts: tuple[Prompt, ...]
    transition_steps: int | None = None
    transition_method: Method | None = None
    transition: Transition | None = None
    cache: CachePolicy | None = None
    seed: int | None = None
    denoising_steps: tuple[int, ...] | None = None
    lora_scales: tuple[tuple[str, float], ...] = ()
    images: Images = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter by its file name; the machine that renders looks up where it lies."""

    name: str
    scale: float = 1.0
    merge_mode: MergeMode = "permanent_merge"
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the whole timeline; ``None`` where the file has no value.

    ``images`` steer the block that plays first; ``control_video`` and ``input_video`` are clips
    that the settings name where ``ext`` does not.
    """

    pipeline_id: str | None = None
    input_mode: Mode | None = None
    height: int | None = None
    width: int | None = None
    seed: int | None = None
    denoising_steps: tuple[int, ...] | None = None
    noise_scale: float | None = None
    noise_controller: bool | None = None
    manage_cache: bool | None = None
    quantization: Literal["fp8_e4m3fn"] | None = None
    vae_type: VaeType | None = None
    vace_enabled: bool | None = None
    vace_use_input_video: bool | None = None
    vace_context_scale: float | None = None
    attention_bias: float | None = None
    loras: tuple[Lora, ...] = ()
    images: Images = NO_IMAGES
    control_video: str | None = None
    input_video: str | None = None


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A value at an instant; ``ease`` shapes the move to it, ``None`` is a jump."""

    at: int
    value: float
    ease: Ease | None = LINEAR


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parameter over time: the first and the last value hold outside the keyframes."""

    unit: Unit
    keys: tuple[Keyframe, ...]


@dataclass(frozen=True, slots=True)
class Audio:
    """Which sound goes with the result: the input's, none, or a file from ``offset_seconds`` on."""

    source: Literal["input", "none", "file"]
    uri: str | None = None
    offset_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """``ext.output``: the video file that the author wants."""

    fps: Fraction | None = None
    codec: str | None = None
    crf: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Extensions:
    """The top-level ``ext`` object."""

    unit: Unit = "microseconds"
    noise_schedule: Schedule | None = None
    lora_schedules: tuple[tuple[str, Schedule], ...] = ()
    vace_schedule: Schedule | None = None
    control: ControlVideo = ControlVideo()
    prefix: str = ""
    suffix: str = ""
    input: str | None = None
    audio: Audio | None = None
    output: OutputOptions = OutputOptions()
    noise: NoiseKind | None = None
    noise_device: DeviceClass | None = None
    normalise_latents: bool | None = None
    positions: Positions | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A valid document, cleaned up; ``blocks`` in the file's order.

    ``warnings`` are those of reading it; they go into every plan made from it.
    """

    kind: Literal["timeline", "workflow"]
    version: str | None
    blocks: tuple[PromptBlock, ...]
    settings: Settings = Settings()
    ext: Extensions = Extensions()
    name: str | None = None
    transition_steps: int | None = None
    transition_method: Method | None = None
    spatial_method: Method = "linear"
    warnings: tuple[str, ...] = field(default=(), compare=False)
