"""The command ``rushes``.

Nothing heavy is imported here: a command imports torch, av and the models when it runs, so that
``--help`` and ``check`` answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

import rushes
from rushes.errors import RushesError
from rushes.files.disk import is_full_disk
from rushes_queue.cli.command_table import CommandTable
from rushes_queue.cli.flags import exit_codes


class Commands(TyperGroup):
    """Load commands when needed; turn our errors into one line on stderr and their exit code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("MutableMapping[str, Any]", CommandTable())

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RushesError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            is_full = is_full_disk(error)
            if not (is_full or error.filename):
                raise
            reason = "cannot be written, the disk is full" if is_full else error.strerror
            what = error.filename or "the output of this command"
            typer.echo(f"error: {what}: {reason}", err=True)
            raise typer.Exit(exit_codes.FAILED) from error
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(exit_codes.INTERRUPTED) from error


app = typer.Typer(
    name="rushes",
    cls=Commands,
    help="Render timelines of prompts and video with streaming diffusion models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},  # of the commands below it too
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rushes {rushes.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app()
    sys.exit(exit_codes.OK)
