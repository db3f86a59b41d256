"""The command ``rushes``.

Nothing heavy is imported here: a command imports torch, av and the models when it runs, so that
``--help`` and ``check`` answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

import rushes
from rushes.errors import RushesError
from rushes.files.disk import is_full_disk
from rushes.text import printable
from rushes_queue.cli.command_table import CommandTable, show_plain_types
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.show.console import (
    error_json,
    faults_json,
    print_json_errors,
    say,
    say_error,
)

_WANTS_JSON = "rushes.wants_json"  # key in a command's context


class Commands(TyperGroup):
    """Load commands when needed; turn our errors into one line on stderr and their exit code.

    With ``--json`` a command that fails prints its errors on stdout as well, so that scripts always
    get one answer.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("MutableMapping[str, Any]", CommandTable())
        self._is_plain = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not self._is_plain:  # late: Typer adds its own options behind ours
            show_plain_types(self)
            self._is_plain = True
        ctx.meta[_WANTS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RushesError as error:
            say_error(error)
            _end(ctx, faults_json([error]), error)
        except OSError as error:
            is_full = is_full_disk(error)
            if not (is_full or error.filename):
                raise
            reason = "cannot be written, the disk is full" if is_full else error.strerror
            what = error.filename or "the output of this command"
            told = f"{printable(str(what))}: {reason}"
            say(f"error: {told}")
            _end(ctx, [error_json(told, exit_codes.FAILED)], error)
        except KeyboardInterrupt as error:
            say("interrupted")
            _end(ctx, [error_json("interrupted", exit_codes.INTERRUPTED)], error)
        except typer.TyperException as error:  # wrong usage
            if ctx.meta[_WANTS_JSON]:
                print_json_errors([error_json(error.format_message(), exit_codes.USAGE)])
            raise  # Typer reports it


def _end(ctx: Any, errors: list[dict[str, Any]], cause: BaseException) -> NoReturn:
    """End a command whose errors have been printed on stderr."""
    if ctx.meta[_WANTS_JSON]:
        print_json_errors(errors)
    raise typer.Exit(errors[0]["exit_code"]) from cause


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
