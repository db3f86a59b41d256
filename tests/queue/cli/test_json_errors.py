"""``--json`` of every command: what fails is told on stdout too, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rushes_queue.cli import app
from rushes_queue.cli.command_table import CommandTable

NO_BROKER = "--broker redis://127.0.0.1:1/0"
# Of each command with --json: arguments with which it fails, and the exit code.
FAILURES = {
    "render": ("none.json", 4),
    "check": ("none.json --preset none", 3),
    "plan": ("none.json", 4),
    "reproduce": ("none.json --input none.mp4", 4),
    "eval": ("none.mp4 --reference none.mp4", 4),
    "compare": ("none.mp4 none.mp4", 4),
    "examples": ("none", 4),
    "submit": (f"none.json {NO_BROKER}", 4),
    "jobs": (NO_BROKER, 5),
    "status": (f"abcd {NO_BROKER}", 5),
    "watch": (f"abcd {NO_BROKER}", 5),
    "logs": (f"abcd {NO_BROKER}", 5),
    "preview": (f"abcd {NO_BROKER}", 5),
    "fetch": (f"abcd {NO_BROKER}", 4),  # the storage knows too
    "cancel": (f"abcd {NO_BROKER}", 5),
    "pause": (f"abcd {NO_BROKER}", 5),
    "resume": (f"abcd {NO_BROKER}", 5),
    "retry": (f"abcd {NO_BROKER}", 5),
    "priority": (f"abcd high {NO_BROKER}", 5),
    "up": ("--workers many", 2),
    "ps": ("", 3),
    "web": ("", 3),
    "workers": (NO_BROKER, 5),
    "stats": (NO_BROKER, 5),
    "prune": (f"--older-than 1d {NO_BROKER}", 5),
    "reconcile": ("--storage ftp://x", 3),
    "doctor": ("nothing", 2),
    "bench": ("--preset none", 3),
    "beats": ("none.mp3", 4),
    "config show": ("", 3),
    "config path": ("", 3),
    "models list": ("", 3),
    "models download": ("none", 3),
    "models verify": ("none", 3),
    "models import": ("none.pt", 4),
    "models fetch-loras": ("none.json", 4),
    "models link": ("none", 4),
    "models where": ("none", 3),
}
WRONG_SETTINGS = ("ps", "web", "config show", "config path", "models list")


def commands(table: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, those below others too."""
    for each, command in table.items():
        inner = getattr(command, "commands", None)
        if inner:
            yield from commands(inner, f"{name}{each} ")
        else:
            yield f"{name}{each}", command


def test_every_command_with_json_is_here() -> None:
    with_json = {
        name
        for name, command in commands(CommandTable())
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == set(FAILURES)


@pytest.mark.parametrize("command", FAILURES)
def test_a_command_that_fails_answers_in_json(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RUSHES_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RUSHES_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("RUSHES_STORAGE_URL", str(tmp_path / "storage"))
    arguments, code = FAILURES[command]
    if command in WRONG_SETTINGS:
        monkeypatch.setenv("RUSHES_LEASE_SECONDS", "soon")
    result = CliRunner().invoke(app, [*command.split(), *arguments.split(), "--json"])
    assert result.exit_code == code, result.output
    (line,) = result.stdout.splitlines()
    answer = json.loads(line)
    assert answer["schema_version"] == 1
    assert answer["errors"]
    for error in answer["errors"]:
        assert error["exit_code"] == code
        assert error["message"]


def test_without_json_nothing_but_the_message_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["plan", "none.json"])
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "error: none.json: there is no such file\n"


def test_a_file_with_several_faults_has_an_error_for_each(tmp_path: Path) -> None:
    file = tmp_path / "shot.json"
    file.write_text(json.dumps({"prompts": [{"startTime": "a", "endTime": "b", "prompts": []}]}))
    result = CliRunner().invoke(app, ["plan", str(file), "--json"])
    errors = json.loads(result.stdout)["errors"]
    assert len(errors) > 1
    assert all(error["message"].startswith(str(file)) for error in errors)


@pytest.mark.parametrize("wrong", ["submit x.json --width 0", "check", "nothing", "jobs --limit x"])
def test_wrong_usage_is_told_in_json_too(wrong: str) -> None:
    result = CliRunner().invoke(app, [*wrong.split(), "--json"])
    assert result.exit_code == 2
    (error,) = json.loads(result.stdout)["errors"]
    assert error["exit_code"] == 2
    assert error["message"] in " ".join(result.stderr.replace("│", " ").split())
