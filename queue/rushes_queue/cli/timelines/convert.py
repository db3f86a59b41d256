"""``rushes convert``: prompt maps of other tools into timeline files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from rushes.errors import ConflictError, MissingFileError, TimelineError
from rushes_queue.cli.flags.timeline_files import TimelineFile, find_timeline
from rushes_queue.cli.show.console import say


def convert(
    file: Annotated[
        Path,
        typer.Argument(help="Prompt map, or a settings file with one; a folder with one; or -."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Timeline file; else standard output.")
    ] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of the frame numbers.")] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Length in frames.")] = None,
    kind: Annotated[
        Literal["auto", "animatediff", "fizznodes", "deforum", "parseq", "a1111"],
        typer.Option("--from", help="Which tool the file is for."),
    ] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Convert a prompt map by frame into a timeline; what cannot be converted is listed."""
    from rushes.timeline.convert.convert import convert_prompt_map
    from rushes.timeline.times import exact_rate

    rate = None if fps is None else exact_rate(fps)
    if fps is not None and rate is None:
        raise typer.BadParameter(f"{fps!r} is not a frame rate; write 24 or 30000/1001")
    source = find_timeline(file)
    converted = convert_prompt_map(
        _read(source),
        kind=None if kind == "auto" else kind,
        fps=rate,
        length=length,
        source=source.shown,
    )
    for problem in converted.problems:
        say(f"{problem.severity}: {problem}")
    text = json.dumps(converted.document, indent=2, ensure_ascii=output is None) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text, force=force)


def _read(file: TimelineFile) -> bytes:
    from rushes.timeline.read.json_reading import MAX_BYTES

    try:
        with file.content.open("rb") as content:
            return content.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise MissingFileError(f"{file.shown}: there is no such file") from error
    except OSError as error:
        reason = f"{file.shown}: cannot be read: {error.strerror}"
        raise TimelineError(reason, path=file.shown) from error


def _write(file: Path, text: str, *, force: bool) -> None:
    """Write the file whole or not at all.

    Raises: ConflictError; WriteError.
    """
    from rushes.files.publish import PendingOutput

    if file.exists() and not force:
        raise ConflictError(f"{file}: exists already; choose another name or pass --force")
    with PendingOutput(file) as pending:
        pending.temporary.write_text(text, encoding="utf-8")
        pending.publish()
