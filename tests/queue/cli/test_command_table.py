"""Every command is there, says what it does, and is imported only when it is needed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rushes_queue.cli import app
from rushes_queue.cli.command_table import CommandTable

NAMES = list(CommandTable())


@pytest.mark.parametrize("name", NAMES)
def test_a_command_has_its_name_its_panel_and_a_help(name: str) -> None:
    command = CommandTable()[name]
    assert command.name == name
    assert command.rich_help_panel in ("Timelines", "Jobs", "Farm", "This machine")
    assert command.help
    result = CliRunner().invoke(app, [name, "-h"])
    assert result.exit_code == 0, result.output
    assert name in result.stdout
    assert not re.findall(r"<bool>|<list", result.stdout)
    assert CliRunner().invoke(app, [name, "--help"]).stdout == result.stdout


def test_the_options_of_render_stand_in_panels() -> None:
    shown = CliRunner().invoke(app, ["render", "-h"]).stdout
    panels = [line.split()[1] for line in shown.splitlines() if line.startswith("╭─")]
    assert panels[:2] == ["Arguments", "Options"]
    assert {"Length", "Look", "Steering", "Result", "Reading", "Folders"} <= set(panels)


def test_the_help_lists_all_commands() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert not [name for name in NAMES if name not in shown]
    assert "<bool>" not in shown
    assert len(NAMES) == len(set(NAMES)) == len(CommandTable())


def test_a_command_that_is_not_there_is_a_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["rnder"]).exit_code == 2
    with pytest.raises(KeyError):
        CommandTable()["rnder"]


def test_a_command_is_made_once() -> None:
    table = CommandTable()
    assert table["eval"] is table["eval"]


def test_one_command_does_not_import_the_others() -> None:
    code = (
        "import sys; from rushes_queue.cli.command_table import CommandTable; "
        "CommandTable()['cancel']; "
        "sys.exit(sum(f'rushes_queue.cli.{name}' in sys.modules for name in "
        "('timelines.render', 'farm.local', 'machine.doctor')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_flower_hands_options_on() -> None:
    passing = [
        name
        for name in NAMES
        if CommandTable()[name].context_settings.get("ignore_unknown_options")
    ]
    assert passing == ["flower"]


def test_the_help_of_render_fits_80_columns_with_all_names_whole() -> None:
    result = CliRunner().invoke(app, ["render", "-h"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert "<bool>" not in result.stdout
    names = re.findall(r"^│ (?:\*\s+)?(--[\w…-]+)", result.stdout, re.MULTILINE)
    assert "--normalise-latents" in names
    assert not [name for name in names if "…" in name]
