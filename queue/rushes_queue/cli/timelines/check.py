"""``rushes check``: every fault of timeline and workflow files, before anything is rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.errors import MissingFileError
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.choices import complete_presets
from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.flags.timeline_files import FILES_HELP, find_timelines
from rushes_queue.cli.show.console import print_json, say

if TYPE_CHECKING:
    from rushes.presets.preset import Preset
    from rushes.timeline.problems import Problem
    from rushes_queue.cli.flags.timeline_files import TimelineFile

STYLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow"},
    "note": {"dim": True},
}


@takes_flags
def check(
    files: Annotated[list[Path], typer.Argument(help=FILES_HELP)],
    loading: LoadFlags,
    places: FolderFlags,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET",
            help="Preset to check them for, or a .yaml file of your own; by default the one that "
            "renders the file's pipeline.",
            autocompletion=complete_presets,
        ),
    ] = None,
    input_video: Annotated[
        Path | None,
        typer.Option("--input", help="Input video; else the one that a timeline names."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Check files, name the model of each, and list every problem with its place and cure.

    Exit code 3 when a file has an error, 4 when one is missing. A model that is offered but not
    installed here gets a line of its own.
    """
    from rushes.presets.preset import load_preset

    chosen = load_preset(preset) if preset else None
    reports = [_report_on(file, loading, chosen, input_video) for file in find_timelines(files)]
    if as_json:
        print_json([report.to_dict() for report in reports])
    else:
        for report in reports:
            _print_report(report)
    presets = [report.preset for report in reports if report.ok and report.preset]
    _name_absent_models({wanted.name: wanted for wanted in presets}, places)
    codes = {report.code for report in reports}
    for code in (exit_codes.INVALID, exit_codes.NOT_FOUND):
        if code in codes:
            raise typer.Exit(code)


@dataclass(frozen=True)
class _Report:
    """What was found in one file, and the model that it is for; none where it cannot be read."""

    file: str
    problems: list[Problem]
    preset: Preset | None
    code: int

    @property
    def ok(self) -> bool:
        return self.code == exit_codes.OK

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "ok": self.ok,
            "preset": self.preset.name if self.ok and self.preset else None,
            "problems": [problem.to_dict() for problem in self.problems],
        }


def _report_on(
    file: TimelineFile, loading: LoadFlags, chosen: Preset | None, video: Path | None
) -> _Report:
    from rushes.shots.checking import find_problems, is_ok, preset_for, problems_of
    from rushes.timeline.plan.options import make_options

    try:
        loaded = loading.load(file, chosen)
        timeline = loaded.timeline
        problems = find_problems(
            *(loaded, make_options(pipeline=loading.pipeline), chosen),
            file=file.path,
            video=video,
            lora_folders=loading.lora_folders if timeline and timeline.settings.loras else (),
        )
    except MissingFileError as error:
        return _Report(file.shown, problems_of(error), None, exit_codes.NOT_FOUND)
    wanted = chosen or (preset_for(timeline, loading.pipeline) if timeline else None)
    code = exit_codes.OK if is_ok(problems) else exit_codes.INVALID
    return _Report(file.shown, problems, wanted, code)


def _name_absent_models(presets: Mapping[str, Preset], places: FolderFlags) -> None:
    """Print which models the files need that are offered but not installed, and how to get them."""
    from rushes.presets.catalogue import is_installed

    models = places.folders().models
    for name, preset in presets.items():
        if not preset.brings_weights and not is_installed(preset, models):
            say(
                f"note: model {name} is not installed here; 'rushes models download {name}' "
                "fetches it"
            )


def _print_report(report: _Report) -> None:
    """Print one file's problems; colours are left out where there is no terminal."""
    from rushes.text import printable

    counts = Counter(problem.severity for problem in report.problems)
    summary = ", ".join(
        f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items()
    )
    style = {"fg": "green"} if report.ok else STYLES["error"]
    verdict = typer.style("ok" if report.ok else "refused", **style)
    model = f" for {printable(report.preset.name)}" if report.preset and report.ok else ""
    typer.echo(f"{printable(report.file)}: {verdict}{model}{f' ({summary})' if summary else ''}")
    for problem in report.problems:
        label = typer.style(f"  {problem.severity:8}", **STYLES[problem.severity])
        typer.echo(f"{label}{problem}")
