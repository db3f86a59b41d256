"""The command ``rushes``.

Nothing heavy is imported here: a command imports torch, av and the models when it runs, so that
``--help`` and ``check`` answer at once.
"""

from __future__ import annotations

import errno
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import rushes
from rushes.errors import RushesError
from rushes_queue.cli import exit_codes
from rushes_queue.cli.change import cancel, pause, priority, resume, retry
from rushes_queue.cli.check import check
from rushes_queue.cli.config import config
from rushes_queue.cli.convert import convert
from rushes_queue.cli.doctor import doctor
from rushes_queue.cli.evaluate import evaluate
from rushes_queue.cli.farm import flower, metrics, stats, workers
from rushes_queue.cli.fetch import fetch, preview
from rushes_queue.cli.jobs import jobs, status
from rushes_queue.cli.local import down, ps, up
from rushes_queue.cli.logs import logs
from rushes_queue.cli.models import models
from rushes_queue.cli.plan import plan
from rushes_queue.cli.prune import prune
from rushes_queue.cli.reconcile import reconcile
from rushes_queue.cli.render import render
from rushes_queue.cli.submit import submit
from rushes_queue.cli.watch import watch
from rushes_queue.cli.worker import worker


class Commands(TyperGroup):
    """Turn our errors into one line on stderr and their exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RushesError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            what = error.filename or "the output of this command"
            typer.echo(f"error: {what}: cannot be written, the disk is full", err=True)
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
)

# A command that hands options on which it does not know itself.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


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


TIMELINES, JOBS, FARM, MACHINE = "Timelines", "Jobs", "Farm", "This machine"

for panel, commands in {
    TIMELINES: (render, check, plan, convert),
    JOBS: (
        *(submit, jobs, status, watch, logs, preview, fetch),
        *(cancel, pause, resume, retry, priority),
    ),
    FARM: (up, down, ps, worker, workers, stats, metrics, prune, reconcile),
    MACHINE: (doctor,),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command(name="eval", rich_help_panel=TIMELINES)(evaluate)
app.command(context_settings=PASSED_ON, rich_help_panel=FARM)(flower)
app.add_typer(config, name="config", rich_help_panel=MACHINE)
app.add_typer(models, name="models", rich_help_panel=MACHINE)


def main() -> None:
    """Run the command line."""
    app()
    sys.exit(exit_codes.OK)
