"""How a render shares its work: takes in a batch, sections or blocks among processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from rushes.lazy import quick_imports

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes.presets.preset import Preset
    from rushes.rendering.loop import Report
    from rushes.rendering.takes import Take
    from rushes.rendering.work import KeptWork
    from rushes.shots.shot import Shot

    RenderTakes = Callable[[list[Take], Report, KeptWork | None], list[dict[str, Any]]]


@dataclass(frozen=True)
class SharingFlags:
    """One of these at most, and nothing is shared by default."""

    panel: ClassVar = "Sharing the work"

    rows: Annotated[
        int,
        typer.Option(
            min=1,
            help="Takes that share each pass of the network: less work a take, more memory. A "
            "frame may differ by rounding from that of a take rendered alone.",
        ),
    ] = 1
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes that render the sections between two resets at the same time, each "
            "on a GPU of its own or on the CPU. The files are the same.",
        ),
    ] = 1
    gpus: Annotated[
        int,
        typer.Option(
            min=1,
            help="GPUs, or processes on the CPU, that share the blocks of the network: for models "
            "that one GPU does not hold. The files are the same.",
        ),
    ] = 1

    def check(self) -> None:
        """Refuse two ways at once.

        Raises: typer.BadParameter.
        """
        names = ("rows", "processes", "gpus")
        given = [f"--{name}" for name in names if getattr(self, name) > 1]
        if len(given) > 1:
            raise typer.BadParameter(f"{' and '.join(given)} exclude each other")

    @property
    def can_save(self) -> bool:
        """Whether a render can be saved on the way: one that shares its work cannot."""
        return self == SharingFlags()

    def together(self, shots: list[Shot]) -> Iterator[list[Shot]]:
        """Cut shots into groups that are rendered at the same time: takes of one timeline."""
        for _, takes in groupby(shots, key=lambda shot: shot.timeline_file):
            of_timeline = list(takes)
            for start in range(0, len(of_timeline), self.rows):
                yield of_timeline[start : start + self.rows]

    def open(
        self, preset: Preset, folders: Folders, device: str, dtype: str, *, force: bool
    ) -> RenderTakes:
        """Return what renders such a group; networks are loaded when they are needed.

        Raises: ConfigError when there is no such device.
        """
        if self.processes > 1 or self.gpus > 1:
            return self._by_processes(preset, folders, force)
        with quick_imports():
            from rushes.rendering.fitted import open_renderer

        renderer = open_renderer(preset, folders, device, dtype)
        return lambda takes, report, work: renderer.render_takes(
            takes, force=force, report=report, work=work
        )

    def _by_processes(self, preset: Preset, folders: Folders, force: bool) -> RenderTakes:
        from rushes.rendering.processes.shared_render import render_ranks, render_sections

        share, count = (
            (render_ranks, self.gpus) if self.gpus > 1 else (render_sections, self.processes)
        )
        return lambda takes, report, work: [
            share(preset, folders, take, count, force=force, report=report) for take in takes
        ]
