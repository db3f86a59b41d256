"""Settings of a whole job: command line before profile before document before defaults."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from rushes.errors import ConfigError
from rushes.presets.device_classes import DeviceClass
from rushes.presets.kinds import Method, Mode, NoiseKind, Positions, VaeType, Variant
from rushes.presets.preset import PlaySpec, Preset
from rushes.timeline.document import ControlVideo, Ramp, Timeline
from rushes.timeline.pipelines import PipelineChoice
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.profiles import PROFILES, Profile, with_positions
from rushes.timeline.steps import LEAST_SIDE, round_side
from rushes.timeline.times import is_rate, show_rate

MODEL_FPS = Fraction(16)  # the model's own rate; scope and sdv2 write it offline
DEFAULT_SEED = 42

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Settings of one job; ``RenderPlan`` explains those that it takes over unchanged."""

    profile: Profile
    variant: Variant
    mode: Mode
    takes_input: bool
    control: ControlVideo
    has_control_video: bool
    vace_scale: float
    fps: Fraction
    height: int
    width: int
    asked_size: tuple[int, int]  # height and width before the preset's limit
    seed: int
    denoising_steps: tuple[int, ...]
    first_steps: tuple[int, ...]  # of the first chunk that is made; empty: the same
    noise_scale: float
    noise_controller: bool
    manage_cache: bool
    transition_steps: int
    transition_method: Method
    ramp: Ramp | None
    vae_type: VaeType
    stream_batch: bool
    noise: NoiseKind
    noise_device: DeviceClass | None
    normalise_latents: bool | None
    positions: Positions | None


def job_settings(timeline: Timeline, options: PlanOptions, preset: Preset) -> JobSettings:
    """Decide every setting from the document, the options, the profile and the preset.

    Raises: ConfigError when the input's rate cannot be used, steps are to be batched where they
        cannot be, or the profile does not play the preset's model.
    Source: scope: src/scope/core/pipelines/streamdiffusionv2/pipeline.py (VACE's control video
    is no ``video`` to the pipeline, which then runs in text mode)
    """
    settings = timeline.settings
    positions = _positions(timeline, options, preset)
    profile = with_positions(PROFILES[options.profile], positions)
    play = _play(timeline, preset)
    variant = _variant(profile, preset, options)
    asked_mode = input_mode(timeline, options.mode, preset)
    if asked_mode == "video" and preset.is_text_only:
        raise ConfigError(
            f"preset {preset.name} makes videos of text only; give --mode text, or choose another"
        )
    takes_input = asked_mode == "video"
    steering = _steering(timeline, options, takes_input)
    mode: Mode = "text" if steering.input_is_control else asked_mode
    noise: NoiseKind = _first(options.noise, timeline.ext.noise, preset.schedule.noise)
    asked_size = _asked_size(timeline, options, preset)
    is_size_given = options.height is not None or options.width is not None
    height, width = limited_size(asked_size, None if is_size_given else preset.largest_side)
    steps, first_steps = _steps(timeline, options, profile, preset, mode)
    return JobSettings(
        profile=profile,
        variant=variant,
        mode=mode,
        takes_input=takes_input,
        control=steering.control,
        has_control_video=steering.has_control_video,
        vace_scale=_first(timeline.ext.control.scale, settings.vace_context_scale, 1.0),
        fps=_frame_rate(timeline, options, profile, takes_input or options.control is not None),
        height=height,
        width=width,
        asked_size=asked_size,
        seed=_first(options.seed, settings.seed, DEFAULT_SEED),
        denoising_steps=steps,
        first_steps=first_steps,
        noise_scale=_first(
            *(options.noise_scale, settings.noise_scale),
            *(profile.noise_scale, preset.schedule.noise_scale),
        ),
        noise_controller=mode == "video" and _first(settings.noise_controller, True),
        manage_cache=_first(settings.manage_cache, True),
        transition_steps=_first(
            options.transition_steps,
            timeline.transition_steps,
            play.transition_steps if mode == "text" else 0,
        ),
        transition_method=_first(
            options.transition_method, timeline.transition_method, play.transition_method
        ),
        ramp=options.ramp,
        vae_type=_first(options.vae_type, settings.vae_type, preset.vae.type),
        stream_batch=_stream_batch(timeline, options, profile, variant, steering.is_steered),
        noise=noise,
        noise_device=_noise_device(noise, timeline, options, preset),
        normalise_latents=_first_or_none(
            options.normalise_latents, timeline.ext.normalise_latents, profile.normalise_latents
        ),
        positions=positions,
    )


@dataclass(frozen=True, slots=True)
class _Steering:
    """What steers a render through VACE, and whether its input does."""

    control: ControlVideo
    input_is_control: bool
    has_images: bool

    @property
    def has_control_video(self) -> bool:
        return bool(self.input_is_control or self.control.video)

    @property
    def is_steered(self) -> bool:
        return self.has_control_video or self.has_images


def _steering(timeline: Timeline, options: PlanOptions, takes_input: bool) -> _Steering:
    settings, given = timeline.settings, timeline.ext.control
    control = ControlVideo(options.control or given.video, options.mask or given.mask)
    uses_input = settings.vace_enabled and settings.vace_use_input_video and not control.video
    has_images = options.steering_files or any(block.images.files for block in timeline.blocks)
    return _Steering(control, takes_input and bool(uses_input), bool(has_images))


def _steps(
    timeline: Timeline, options: PlanOptions, profile: Profile, preset: Preset, mode: Mode
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the denoising steps, and those of the first chunk if they are others."""
    given = options.denoising_steps or timeline.settings.denoising_steps
    if given:
        return given, ()
    if mode == "video":
        return profile.video_steps or preset.schedule.steps(mode), ()
    return preset.schedule.steps(mode), preset.schedule.first_text_steps


def input_mode(timeline: Timeline, asked: Mode | None, preset: Preset) -> Mode:
    """Return the input mode; ``asked`` is that of the command line."""
    return asked or timeline.settings.input_mode or _play(timeline, preset).default_mode


def _play(timeline: Timeline, preset: Preset) -> PlaySpec:
    """Return the defaults of the pipeline that the file was made for."""
    named = timeline.settings.pipeline_id
    known = PipelineChoice(preset=preset).find(named) if named else None
    return known.play if known else preset.play


def _variant(profile: Profile, preset: Preset, options: PlanOptions) -> Variant:
    """Return what remembers past frames.

    A model whose bank stays empty is one without it.
    Raises: ConfigError when the profile plays another kind of model.
    """
    if options.empty_bank and preset.cache != "bank":
        raise ConfigError(f"preset {preset.name} has no bank of frames; leave --empty-bank out")
    if profile.rolling_as is None:
        return "recache" if options.empty_bank else preset.cache
    if preset.cache != "rolling":
        raise ConfigError(
            f"profile {profile.name} plays models with a rolling cache, preset {preset.name} has "
            f"{preset.cache}; leave --profile out"
        )
    return profile.rolling_as


def _positions(timeline: Timeline, options: PlanOptions, preset: Preset) -> Positions | None:
    """Return what should happen where positions end; files may ask for it, where the model can.

    Raises: ConfigError when the model cannot do what the options ask for.
    """
    if preset.cache == "rolling":
        return _first_or_none(options.positions, timeline.ext.positions)
    if options.positions is not None:
        raise ConfigError(
            f"positions are rewound or reset for models of StreamDiffusionV2; preset {preset.name} "
            "is another, so leave --positions out"
        )
    return None


def _stream_batch(
    timeline: Timeline,
    options: PlanOptions,
    profile: Profile,
    variant: Variant,
    is_steered: bool,
) -> bool:
    """Say whether the steps of consecutive chunks run in one pass.

    Raises: ConfigError when that was asked for, but is not possible.
    """
    moves_loras = bool(timeline.ext.lora_schedules) or any(
        block.lora_scales for block in timeline.blocks
    )
    if not options.stream_batch:
        can_batch = not (is_steered or moves_loras)
        return options.stream_batch is None and profile.stream_batch and can_batch
    if variant not in ("ring", "ring-exact"):
        raise ConfigError(
            f"profile {profile.name} takes its steps one by one; for a stream batch, "
            "add --profile upstream"
        )
    if is_steered or moves_loras:
        what = "what VACE steers" if is_steered else "a LoRA whose strength changes"
        raise ConfigError(f"{what} cannot run in a stream batch; give --sequential instead")
    return True


def _asked_size(timeline: Timeline, options: PlanOptions, preset: Preset) -> tuple[int, int]:
    settings = timeline.settings
    return (
        _first(options.height, settings.height, preset.play.height),
        _first(options.width, settings.width, preset.play.width),
    )


def limited_size(size: tuple[int, int], largest_side: int | None) -> tuple[int, int]:
    """Shrink a height and width to a model's largest side, in about the same proportions."""
    if largest_side is None or max(size) <= largest_side:
        return size
    scale = largest_side / max(size)
    height, width = (max(LEAST_SIDE, round_side(round(side * scale))) for side in size)
    return height, width


def _frame_rate(
    timeline: Timeline, options: PlanOptions, profile: Profile, takes_input: bool
) -> Fraction:
    """Return the rate of the result: asked for, the profile's, the input's, or the model's.

    Raises: ConfigError when the input claims a rate that no video has.
    """
    rate = options.fps or profile.fps or timeline.ext.output.fps
    if rate is None and takes_input:
        rate = options.input_fps
    if rate is not None and not is_rate(rate):
        raise ConfigError(f"the input claims {show_rate(rate)} frames a second; set --fps")
    return rate or MODEL_FPS


def _noise_device(
    noise: NoiseKind, timeline: Timeline, options: PlanOptions, preset: Preset
) -> DeviceClass | None:
    """Return the class of GPU whose noise is drawn; none for a CPU's.

    Raises: ConfigError when a GPU is named for a CPU's noise.
    """
    asked: DeviceClass | None = _first_or_none(options.noise_device, timeline.ext.noise_device)
    if noise != "cuda":
        if options.noise_device is not None:
            raise ConfigError(
                f"noise_device is {options.noise_device}, but the noise is {noise}; add --noise "
                "cuda, or leave --noise-device out"
            )
        return None
    return asked or preset.schedule.noise_device


def _first(*values: T | None) -> T:
    """Return the first value that is there."""
    return next(value for value in values if value is not None)


def _first_or_none(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
