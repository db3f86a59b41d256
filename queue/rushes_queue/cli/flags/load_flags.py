"""Options about reading timeline files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from rushes_queue.cli.flags.choices import (
    complete_pipelines,
    offered_pipelines,
)
from rushes_queue.cli.flags.timeline_files import TimelineFile

if TYPE_CHECKING:
    from rushes.presets.preset import Preset
    from rushes.timeline.read.load import LoadedTimeline


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
