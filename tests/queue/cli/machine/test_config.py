"""``rushes config``: values that count, without secrets, and the files they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rushes_queue.cli import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rushes.toml").write_text('key_prefix = "mine:"')
    return Run(
        {
            "XDG_CONFIG_HOME": str(tmp_path / "home"),
            "RUSHES_BROKER_URL": "redis://ann:secret@desk:6379/0",
            "RUSHES_LEASE_SECONDS": "7.5",
        }
    )


class Run:
    """Runs the command with these variables."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables

    def __call__(self, *arguments: str, **more: str) -> Result:
        return CliRunner().invoke(app, ["config", *arguments], env=self.variables | more)


def test_values_are_shown_without_secrets(run: Run) -> None:
    result = run("show")
    assert result.exit_code == 0
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if " " in line)
    assert rows["key_prefix"].strip() == "mine:"
    assert rows["lease_seconds"].strip() == "7.5"
    assert "desk" in rows["broker_url"]
    assert "secret" not in result.output


def test_scripts_get_values_and_where_they_come_from(run: Run, tmp_path: Path) -> None:
    data = json.loads(run("show", "--origin", "--json").stdout)
    assert data["settings"]["key_prefix"] == "mine:"
    assert data["origins"]["key_prefix"] == {
        "kind": "project file",
        "name": str(tmp_path / "rushes.toml"),
    }
    assert data["origins"]["lease_seconds"]["name"] == "RUSHES_LEASE_SECONDS"
    assert data["origins"]["storage_url"]["kind"] == "default"
    assert "origins" not in json.loads(run("show", "--json").stdout)
    assert "secret" not in json.dumps(data)


def test_origins_are_a_column_when_asked_for(run: Run) -> None:
    header = run("show", "--origin").stdout.splitlines()[0].split()
    assert header == ["setting", "value", "origin"]
    assert run("show").stdout.splitlines()[0].split() == ["setting", "value"]


def test_a_variable_that_does_nothing_is_told(run: Run) -> None:
    result = run("show", RUSHES_LEESE_SECONDS="5")
    assert "warning: RUSHES_LEESE_SECONDS is not a setting" in result.stderr


def test_files_are_named_in_their_order(run: Run, tmp_path: Path) -> None:
    files = json.loads(run("path", "--json").stdout)["files"]
    assert [file["path"] for file in files if file["used"]] == [str(tmp_path / "rushes.toml")]
    shown = run("path").stdout.splitlines()
    assert len(shown) == len(files) + 1
    assert [line.split("  ")[0].strip() for line in shown[1:]] == [file["kind"] for file in files]


def test_a_setting_that_is_wrong_is_told(run: Run) -> None:
    result = run("show", RUSHES_LEASE_SECONDS="soon")
    assert result.exit_code == 3
    assert "RUSHES_LEASE_SECONDS" in result.stderr
