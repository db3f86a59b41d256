"""Where output goes: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from rushes.errors import RushesError
from rushes.text import printable

ERRORS_VERSION = 1
_SECONDS_BETWEEN_LINES = 30.0
_SHARE_BETWEEN_LINES = 0.1


def print_json(data: Any) -> None:
    """Print data for a script, on one line and in plain ASCII."""
    typer.echo(json.dumps(data))


def say_error(error: Exception) -> None:
    """Print an error, without control characters."""
    say("error: " + "\n".join(map(printable, str(error).splitlines())))


def faults_json(faults: Sequence[RushesError]) -> list[dict[str, Any]]:
    """Return errors for scripts; one of several lines becomes one for each line."""
    return [error_json(line, fault.exit_code) for fault in faults for line in _lines(fault)]


def error_json(message: str, exit_code: int) -> dict[str, Any]:
    """Return one error for scripts."""
    return {"message": message, "exit_code": exit_code}


def print_json_errors(errors: Sequence[dict[str, Any]]) -> None:
    """Print the errors that ended a command, as one object on stdout or its last line."""
    print_json({"schema_version": ERRORS_VERSION, "errors": errors})


def _lines(error: Exception) -> list[str]:
    return str(error).splitlines() or [type(error).__name__]


def say(message: str) -> None:
    """Print something that is not the command's data."""
    typer.echo(message, err=True)


def is_line_due(seconds: float, share: float) -> bool:
    """Say whether to print another line of progress, so long and such a share after the last."""
    return seconds >= _SECONDS_BETWEEN_LINES or share >= _SHARE_BETWEEN_LINES
