"""``rushes beats``: the tempo of a song, and where its beats and onsets are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rushes_queue.cli.show.console import print_json

SCHEMA_VERSION = 1
_IN_A_LINE = 10


def beats(
    sound: Annotated[Path, typer.Argument(help="Sound file, or a video with sound.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the tempo of a song, its beats and onsets, in seconds: markers for a timeline.

    The tempo is what 'bpm' in the 'ext' of a timeline takes. Needs librosa.
    """
    from rushes.video.beats import find_beats

    found = find_beats(sound)
    if as_json:
        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "bpm": found.bpm,
                "beats": list(found.beats),
                "onsets": list(found.onsets),
            }
        )
        return
    typer.echo(f"{found.bpm:g} beats a minute")
    for name, times in (("beats", found.beats), ("onsets", found.onsets)):
        typer.echo(f"{len(times):,} {name}, in seconds:")
        for first in range(0, len(times), _IN_A_LINE):
            typer.echo("  " + " ".join(f"{at:.3f}" for at in times[first : first + _IN_A_LINE]))
