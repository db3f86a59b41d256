"""``rushes config``: the settings, where they come from, and the files of settings."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.table import print_table

SCHEMA_VERSION = 1

config = typer.Typer(
    add_completion=False, help="Show settings and where they come from.", no_args_is_help=True
)


@config.command()
def show(
    origin: Annotated[
        bool, typer.Option("--origin", help="Also show where each value comes from.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show every setting with its value; secrets are masked."""
    from rushes_queue.local.machine_settings import read_settings

    loaded = read_settings()
    for name in loaded.unknown_variables:
        say(f"warning: {name} is not a setting and has no effect")
    values = loaded.shown()
    origins = {name: loaded.origin(name) for name in values}
    if as_json:
        data: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "settings": values}
        if origin:
            data["origins"] = {
                name: {"kind": source.kind, "name": source.name} for name, source in origins.items()
            }
        print_json(data)
        return
    header = ("setting", "value", "origin")
    rows = [(name, _cell(value), str(origins[name])) for name, value in values.items()]
    if origin:
        print_table(header, rows)
    else:
        print_table(header[:2], [row[:2] for row in rows])


@config.command()
def path(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the files that settings are read from, in order of precedence."""
    from rushes_queue.local.machine_settings import read_settings

    files = read_settings().files
    if as_json:
        listed = [
            {"kind": file.kind, "path": str(file.path), "used": file.is_used} for file in files
        ]
        print_json({"schema_version": SCHEMA_VERSION, "files": listed})
        return
    rows = [(file.kind, "used" if file.is_used else "not used", str(file.path)) for file in files]
    print_table(("kind", "state", "path"), rows)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
