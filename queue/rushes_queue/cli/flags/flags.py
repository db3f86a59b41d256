"""Options that several commands share, as dataclasses that a command takes as one parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast, get_type_hints

import typer

from rushes.errors import ConfigError
from rushes.presets.kinds import MOST_THREADS, CachePolicy, Method, Mode, Positions
from rushes.timeline.plan.profiles import ProfileName
from rushes.video.read.fit import Deinterlace, Fit
from rushes_queue.cli.flags.choices import (
    complete_codecs,
    complete_pipelines,
    complete_presets,
    complete_profiles,
    offered_pipelines,
)
from rushes_queue.cli.flags.timeline_files import TimelineFile

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset
    from rushes.shots.values import PlanValues, ResultValues
    from rushes.timeline.plan.options import AtEnd, PlanOptions
    from rushes.timeline.read.load import LoadedTimeline

STEERING = "Steering (VACE)"  # panel of the help
_PANELS = {
    "Length and size": ("input_video", "fps", "duration", "loop", "hold", "stop", "mode", "size"),
    "Rules of playing": ("profile", "stream_batch", "positions", "empty_bank"),
    "Changes of prompt": ("on_prompt_change", "ramp", "transition_steps", "transition_method"),
}


def takes_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Replace every dataclass parameter of a command by its fields, as options of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))

    @wraps(command)
    def with_groups(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    parameters.sort(key=lambda parameter: parameter.kind)
    with_groups.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_groups


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    """Return the fields of a group as parameters, each with its ``panel``, or that of the group."""
    hints = get_type_hints(group, include_extras=True)
    panels = getattr(group, "panels", {})
    for field in fields(group):
        for info in hints[field.name].__metadata__:
            info.rich_help_panel = panels.get(field.name) or info.rich_help_panel or group.panel
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


@dataclass(frozen=True)
class LoadFlags:
    """How timeline files are read."""

    panel: ClassVar = "Reading"

    strict: Annotated[
        bool, typer.Option("--strict", help="Unknown keys and sizes to be rounded are errors.")
    ] = False
    allow_version: Annotated[
        bool, typer.Option("--allow-version", help="Accept versions that are unknown.")
    ] = False
    allow_outside: Annotated[
        bool,
        typer.Option("--allow-outside", help="Accept files named outside the timeline's folder."),
    ] = False
    lora_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with LoRA files; may be repeated. Also RUSHES_LORA_DIR."),
    ] = None
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="PIPELINE",
            help="Render a file of another pipeline with this one.",
            autocompletion=complete_pipelines,
        ),
    ] = None

    def load(self, file: TimelineFile, preset: Preset | None = None) -> LoadedTimeline:
        """Read a file; the result holds all its problems.

        Raises: typer.BadParameter when no preset renders the pipeline that was asked for.
        """
        self._check_pipeline(preset)
        loaded = self._load(file, preset, ())
        if loaded.timeline is not None and not loaded.timeline.settings.loras:
            return loaded  # without the settings, whose import takes long
        return self._load(file, preset, self.lora_folders)

    def _check_pipeline(self, preset: Preset | None) -> None:
        from rushes.timeline.pipelines import PipelineChoice

        if self.pipeline is not None:
            found = PipelineChoice(preset=preset).find(self.pipeline)
            if found is None or not found.is_offered:
                known = ", ".join(offered_pipelines())
                raise typer.BadParameter(
                    f"--pipeline {self.pipeline}: no preset renders it; known are {known}"
                )

    def _load(
        self, file: TimelineFile, preset: Preset | None, lora_folders: Sequence[Path]
    ) -> LoadedTimeline:
        from rushes.timeline.read.load import load_timeline

        return load_timeline(
            file.path,
            kept_at=file.kept_at,
            source=file.shown,
            strict=self.strict,
            allow_version=self.allow_version,
            allow_outside=self.allow_outside,
            lora_folders=lora_folders,
            pipeline=self.pipeline,
            preset=preset,
        )

    @cached_property
    def lora_folders(self) -> tuple[Path, ...]:
        """Where LoRA files are looked for."""
        from rushes_queue.local.machine_settings import load_settings

        return load_settings({"lora_dir": self.lora_dir or None}).lora_dir


_PASSED_ON = (  # flags of PlanFlags that are plan options of the same name
    *("profile", "stream_batch", "fps", "duration", "mode", "noise_scale"),
    *("on_prompt_change", "ramp", "transition_steps", "transition_method", "empty_bank"),
    *("noise", "noise_device", "positions"),
    *("control", "mask", "first_frame", "last_frame", "control_scale"),
)


_VAE_TYPES = {"wan": "wan", "light": "lightvae", "tae": "tae", "tiny-light": "lighttae"}


@dataclass(frozen=True)
class PlanFlags:
    """What decides the chunks of a render."""

    panel: ClassVar = "Look"
    panels: ClassVar = {name: panel for panel, names in _PANELS.items() for name in names}

    input_video: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="Input video, for video to video; else the one that the timeline names.",
        ),
    ] = None
    profile: Annotated[
        ProfileName,
        typer.Option(
            help="Whose rules count: scope, upstream and others.",
            metavar="PROFILE",
            autocompletion=complete_profiles,
        ),
    ] = "scope"
    stream_batch: Annotated[
        bool | None,
        typer.Option(
            "--stream-batch/--sequential",
            help="With profile upstream: steps of several chunks in one pass (default), or not.",
        ),
    ] = None
    fps: Annotated[str | None, typer.Option(help="Frames a second: 24 or 30000/1001.")] = None
    duration: Annotated[str | None, typer.Option(help="Seconds, or 'timeline', or 'input'.")] = None
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="An input that ends early starts again (default).",
        ),
    ] = False
    hold: Annotated[
        bool,
        typer.Option(
            "--hold",
            help="An input that ends early stays at its last frame.",
        ),
    ] = False
    stop: Annotated[
        bool,
        typer.Option("--stop", help="The result ends where the input ends."),
    ] = False
    mode: Annotated[Mode | None, typer.Option(help="Text to video or video to video.")] = None
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")] = None
    steps: Annotated[str | None, typer.Option(help="Denoising steps, such as 700,500.")] = None
    noise_scale: Annotated[float | None, typer.Option(help="0 to 1; replaces schedules too.")] = (
        None
    )
    noise: Annotated[
        Literal["torch-cpu", "cuda"] | None,
        typer.Option(
            help="Random numbers as PyTorch draws them on a CPU, or as a GPU does.",
        ),
    ] = None
    noise_device: Annotated[
        str | None,
        typer.Option(help="With --noise cuda: the GPU, such as h100 or 4090."),
    ] = None
    normalise_latents: Annotated[
        Literal["on", "off"] | None,
        typer.Option(help="Bring the encoded input to unit variance, or not."),
    ] = None
    vae: Annotated[
        Literal["wan", "light", "tae", "tiny-light"] | None,
        typer.Option(help="Autoencoder: the smaller, the faster and the less exact."),
    ] = None
    quantise: Annotated[
        Literal["fp8"] | None,
        typer.Option(
            help="Keep the large layers in fp8: half the memory, a little less exact.",
        ),
    ] = None
    control: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=STEERING,
            help="Video, or image, that steers the render through VACE.",
        ),
    ] = None
    mask: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=STEERING,
            help="Video or image: white where the control video is made anew.",
        ),
    ] = None
    reference: Annotated[
        list[Path] | None,
        typer.Option(rich_help_panel=STEERING, help="Image to begin from; may be repeated."),
    ] = None
    first_frame: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=STEERING, help="Image that it begins with; for some models a video."
        ),
    ] = None
    last_frame: Annotated[
        Path | None,
        typer.Option(rich_help_panel=STEERING, help="Image that it ends with."),
    ] = None
    control_scale: Annotated[
        float | None,
        typer.Option(rich_help_panel=STEERING, help="How strongly VACE steers, 0 to 2; usually 1."),
    ] = None
    on_prompt_change: Annotated[
        CachePolicy | None,
        typer.Option(help="What a hard prompt change does to the caches."),
    ] = None
    positions: Annotated[
        Positions | None,
        typer.Option(
            help="Where a long video has used up the positions: a new start, which is a visible "
            "cut, or back into the window at latent frame 50.",
        ),
    ] = None
    ramp: Annotated[
        Literal["scope", "eager"] | None,
        typer.Option(help="Shape of transitions."),
    ] = None
    transition_steps: Annotated[
        int | None,
        typer.Option(help="Chunks of a transition where the file says nothing."),
    ] = None
    transition_method: Annotated[
        Method | None,
        typer.Option(
            help="Interpolation of transitions where the file says nothing.",
        ),
    ] = None

    empty_bank: Annotated[
        bool,
        typer.Option(
            "--empty-bank",
            help="A model with a bank of frames records none, as scope runs it.",
        ),
    ] = False

    def options(self, seed: int | None, pipeline: str | None) -> PlanOptions:
        """Return the options of the plan; raises as ``values``."""
        from rushes.shots.values import plan_options

        return plan_options(**self.values(seed, pipeline))

    def values(self, seed: int | None, pipeline: str | None) -> PlanValues:
        """Check the flags.

        Raises: typer.BadParameter when a value is not allowed.
        """
        from rushes.shots.values import plan_options
        from rushes.timeline.plan.options import parse_size, parse_steps

        values: dict[str, Any] = {name: getattr(self, name) for name in _PASSED_ON}
        values["references"] = self.reference or ()
        try:
            if self.size is not None:
                values["width"], values["height"] = parse_size(self.size)
            if self.steps is not None:
                values["denoising_steps"] = parse_steps(self.steps)
            if self.vae is not None:
                values["vae_type"] = _VAE_TYPES[self.vae]
            if self.normalise_latents is not None:
                values["normalise_latents"] = self.normalise_latents == "on"
            if self.quantise is not None:
                values["quantization"] = "fp8_e4m3fn"
            values |= {"at_end": self._at_end(), "seed": seed, "pipeline": pipeline}
            plan_options(**values)
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from error
        return cast("PlanValues", values)

    def _at_end(self) -> AtEnd:
        chosen: list[AtEnd] = []
        if self.loop:
            chosen.append("loop")
        if self.hold:
            chosen.append("hold")
        if self.stop:
            chosen.append("stop")
        if len(chosen) > 1:
            raise ConfigError(f"--{' and --'.join(chosen)} exclude each other; give one")
        return chosen[0] if chosen else "loop"


@dataclass(frozen=True)
class FolderFlags:
    """Where this machine keeps weights, and what can be made again."""

    panel: ClassVar = "Folders"

    models_dir: Annotated[
        Path | None,
        typer.Option(help="Folder with the public weights. Also RUSHES_MODELS_DIR."),
    ] = None
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for what can be made again. Also RUSHES_CACHE_DIR."),
    ] = None

    def folders(self) -> Folders:
        from rushes.files.folders import Folders
        from rushes_queue.local.machine_settings import load_settings

        settings = load_settings({"models_dir": self.models_dir, "cache_dir": self.cache_dir})
        return Folders(settings.models_dir, settings.cache_dir, settings.lora_dir)


@dataclass(frozen=True)
class InputFlags:
    """How pictures and sound of the input come in."""

    panel: ClassVar = "Input"

    fit: Annotated[Fit, typer.Option(help="How the input meets the size.")] = "stretch"
    deinterlace: Annotated[
        Deinterlace, typer.Option(help="Interlaced frames of the input: made whole, or left.")
    ] = "auto"
    audio: Annotated[
        str | None, typer.Option(help="'input', 'none' or a file; default by the timeline.")
    ] = None


@dataclass(frozen=True)
class ResultFlags(InputFlags):
    """Which network makes the pictures, and what file they become."""

    panel: ClassVar = "Result"

    preset: Annotated[
        str | None,
        typer.Option(
            help="Preset, or a .yaml file of your own; by default the one that renders "
            "the file's pipeline.",
            metavar="PRESET",
            autocompletion=complete_presets,
        ),
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto"
    dtype: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16; auto is float32 on a CPU.")
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_THREADS,
            help="Threads that compute on a CPU; part of what decides the frames. Default 1.",
        ),
    ] = None
    codec: Annotated[
        str | None,
        typer.Option(
            help="h264, h265, vp9, av1 or prores; default by extension.",
            autocompletion=complete_codecs,
        ),
    ] = None
    crf: Annotated[int | None, typer.Option(help="Quality of the codec, lower is better.")] = None
    hardware: Annotated[
        bool, typer.Option("--hardware-encoder", help="Encode on the GPU (NVENC).")
    ] = False
    enlarge: Annotated[
        int,
        typer.Option(min=1, max=16, help="Enlarge pictures so many times."),
    ] = 1

    def values(self) -> ResultValues:
        """Return the fields of a request."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "threads": self._threads,
            "fit": self.fit,
            "deinterlace": self.deinterlace,
            "codec": self.codec,
            "crf": self.crf,
            "hardware_encoder": self.hardware,
            "audio": self.audio,
            "enlarge": self.enlarge,
        }

    @property
    def _threads(self) -> int | None:
        from rushes_queue.local.machine_settings import load_settings

        return load_settings().threads if self.threads is None else self.threads
