"""Options about the device, the input's pictures and the result file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from rushes.presets.kinds import MOST_THREADS, GraphsChoice
from rushes.video.read.fit import Deinterlace, Fit
from rushes_queue.cli.flags.choices import (
    complete_codecs,
    complete_presets,
)

if TYPE_CHECKING:
    from rushes.shots.values import ResultValues


@dataclass(frozen=True)
class InputFlags:
    """How pictures and sound of the input come in."""

    panel: ClassVar = "Input"

    fit: Annotated[Fit, typer.Option(help="How to fit the input to the size.")] = "stretch"
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
    graphs: Annotated[
        GraphsChoice | None,
        typer.Option(
            help="CUDA graphs of steps that are alike; default auto: long renders on a GPU."
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
        typer.Option(min=1, max=16, help="Enlarge pictures by this factor."),
    ] = 1

    def values(self) -> ResultValues:
        """Return the fields of a request."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "threads": self._threads,
            "graphs": self._graphs,
            "fit": self.fit,
            "deinterlace": self.deinterlace,
            "codec": self.codec,
            "crf": self.crf,
            "hardware_encoder": self.hardware,
            "audio": self.audio,
            "enlarge": self.enlarge,
        }

    @property
    def _graphs(self) -> GraphsChoice:
        from rushes_queue.local.machine_settings import load_settings

        return load_settings().graphs if self.graphs is None else self.graphs

    @property
    def _threads(self) -> int | None:
        from rushes_queue.local.machine_settings import load_settings

        return load_settings().threads if self.threads is None else self.threads
