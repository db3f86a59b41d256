"""``rushes compare``: results side by side, in a video, in their manifests and in figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import Steps, print_table

if TYPE_CHECKING:
    from rushes import Comparison

LETTERS = "ABCD"
LONGEST_VALUE = 40
GIVES_WAY: Steps = (("field", 24), *((letter, 12) for letter in LETTERS), ("field", 12))


def compare(
    videos: Annotated[
        list[Path], typer.Argument(metavar="A B [C [D]]", help="Two to four results.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Video to make that shows all of them.")
    ] = None,
    layout: Annotated[
        Literal["side", "wipe"],
        typer.Option(help="Side by side, or two of them with a line that wipes over the picture."),
    ] = "side",
    reference: Annotated[
        Path | None,
        typer.Option(help="Input video they were made from; each is measured against it too."),
    ] = None,
    fit: Annotated[
        Literal["stretch", "crop", "pad"],
        typer.Option(help="How the input was fitted to the size."),
    ] = "stretch",
    force: Annotated[bool, typer.Option("--force", help="Replace a video that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare results: where their manifests differ, what each measures, how they look."""
    import rushes

    if output is not None:
        from rushes.files.publish import require_folder

        require_folder(output)
    found = rushes.compare(videos, output, layout=layout, reference=reference, fit=fit, force=force)
    for video in found.without_manifest:
        say(f"note: there is no manifest beside {video}, so only its pictures are compared")
    if as_json:
        print_json(found.to_dict())
        return
    _print_tables(found)
    if output is not None:
        typer.echo(f"video  {output}")


def _print_tables(found: Comparison) -> None:
    from rushes.text import printable

    letters = LETTERS[: len(found.videos)]
    for letter, video in zip(letters, found.videos, strict=True):
        typer.echo(f"{letter}  {printable(str(video))}")
    if found.are_same_frames is not None:
        same = "the same in all" if found.are_same_frames else "not the same"
        typer.echo(f"frames before encoding: {same}")
    if found.differences:
        rows = [
            (_named(each.field, each.chunks), *map(_shown, each.values))
            for each in found.differences
        ]
        typer.echo("")
        print_table(("field", *letters), rows, GIVES_WAY)
    elif len(found.without_manifest) + 1 < len(found.videos):
        typer.echo("the manifests have no differences")
    typer.echo("")
    names = dict.fromkeys(name for measures in found.measures for name in measures)
    rows = [(name, *(_figure(each.get(name)) for each in found.measures)) for name in names]
    print_table(("measure", *letters), rows)


def _named(field: str, chunks: tuple[int, ...]) -> str:
    if not chunks:
        return field
    where = f"chunk {chunks[0]}" if len(chunks) == 1 else f"{len(chunks)} chunks from {chunks[0]}"
    return f"{field} ({where})"


def _shown(value: Any) -> str:
    from rushes.text import printable, shortened

    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return shortened(printable(text), LONGEST_VALUE)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
