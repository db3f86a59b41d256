"""Where output goes: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
from typing import Any

import typer

from rushes.text import printable

_SECONDS_BETWEEN_LINES = 30.0
_SHARE_BETWEEN_LINES = 0.1


def print_json(data: Any) -> None:
    """Print data for a script, on one line and in plain ASCII."""
    typer.echo(json.dumps(data))


def say_error(error: Exception) -> None:
    """Tell the user what went wrong, with nothing in it that a terminal could obey."""
    say(f"error: {printable(str(error))}")


def say(message: str) -> None:
    """Tell the user something that is not the command's data."""
    typer.echo(message, err=True)


def is_line_due(seconds: float, share: float) -> bool:
    """Say whether progress is worth another line, so long and such a share after the last one."""
    return seconds >= _SECONDS_BETWEEN_LINES or share >= _SHARE_BETWEEN_LINES
