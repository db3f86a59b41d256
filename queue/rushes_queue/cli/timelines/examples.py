"""``rushes examples``: the timelines that travel with the package, listed or copied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes_queue.cli.flags.choices import complete_examples
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import Steps, print_table

if TYPE_CHECKING:
    from rushes.shots.examples import Example

SCHEMA_VERSION = 1
HEADER = ("name", "mode", "seconds", "blocks", "clip", "begins with")
GIVES_WAY: Steps = (("begins with", 10), ("clip", 0), ("begins with", 0))


def examples(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Examples; all by default.", autocompletion=complete_examples),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy them and their clips into a folder.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the example timelines, or copy them to play with."""
    from rushes.shots.examples import copy_examples, open_examples

    found = open_examples(names or ())
    copies = [] if to is None else copy_examples(found, to, force=force)
    if as_json:
        listed = list(map(_to_json, found))
        print_json(
            {"schema_version": SCHEMA_VERSION, "examples": listed, "copies": list(map(str, copies))}
        )
    elif to is None:
        print_table(HEADER, list(map(_row, found)), GIVES_WAY)
        say("next: rushes examples --to my-timelines")
    else:
        for copy in copies:
            typer.echo(str(copy))
        shortest = min(found, key=lambda example: example.seconds)
        first = to / shortest.file.name
        say(f"next: rushes render {first} --preset pocket --enlarge 6 -o first.mp4")


def _row(example: Example) -> tuple[str, ...]:
    from rushes.text import shortened

    return (
        example.name,
        example.timeline.settings.input_mode or "",
        f"{example.seconds:.1f}",
        str(len(example.timeline.blocks)),
        example.clip.name if example.clip else "",
        shortened(example.first_prompt),
    )


def _to_json(example: Example) -> dict[str, Any]:
    return {
        "name": example.name,
        "path": str(example.file),
        "mode": example.timeline.settings.input_mode,
        "seconds": example.seconds,
        "blocks": len(example.timeline.blocks),
        "clip": None if example.clip is None else str(example.clip),
        "first_prompt": example.first_prompt,
    }
