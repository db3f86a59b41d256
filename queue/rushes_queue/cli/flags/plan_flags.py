"""Options that decide the chunks of a render."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import typer

from rushes.errors import ConfigError
from rushes.presets.kinds import CachePolicy, Method, Mode, Positions
from rushes.timeline.plan.profiles import ProfileName
from rushes_queue.cli.flags.choices import (
    complete_profiles,
)

if TYPE_CHECKING:
    from rushes.shots.values import PlanValues
    from rushes.timeline.plan.options import AtEnd, PlanOptions


STEERING = "Steering (VACE)"  # panel of the help
_PANELS = {
    "Length and size": ("input_video", "fps", "duration", "loop", "hold", "stop", "mode", "size"),
    "Rules of playing": ("profile", "stream_batch", "positions", "empty_bank"),
    "Changes of prompt": ("on_prompt_change", "ramp", "transition_steps", "transition_method"),
}

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
            help="Rules to play the file by: scope, upstream and others.",
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
            help="Start the input again if it ends early (default).",
        ),
    ] = False
    hold: Annotated[
        bool,
        typer.Option(
            "--hold",
            help="Hold the last frame of an input that ends early.",
        ),
    ] = False
    stop: Annotated[
        bool,
        typer.Option("--stop", help="End the result where the input ends."),
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
            help="Keep the frame bank of a model empty, as scope runs it.",
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
