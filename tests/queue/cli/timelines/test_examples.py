"""``rushes examples``."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from rushes_queue.cli import app
from rushes_queue.cli.flags.choices import complete_examples


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["examples", *map(str, arguments)])


def test_the_list_names_each_with_its_length_and_clip() -> None:
    result = run()
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert rows["short-text"][:3] == ["text", "2.0", "2"]
    assert rows["evolution"][:4] == ["video", "28.6", "5", "meadow.mp4"]
    assert "rushes examples --to" in result.stderr


def test_copies_can_be_rendered_at_once(tmp_path: Path) -> None:
    result = run("short-text", "--to", tmp_path)
    copy = tmp_path / "short-text.json"
    assert result.stdout.split() == [str(copy)]
    assert f"next: rushes render {copy} --preset pocket" in result.stderr
    checked = CliRunner().invoke(app, ["check", str(copy)])
    assert checked.exit_code == 0


def test_json_is_one_object(tmp_path: Path) -> None:
    answer = json.loads(run("prey", "--to", tmp_path, "--json").stdout)
    assert [each["name"] for each in answer["examples"]] == ["prey"]
    assert answer["copies"] == [str(tmp_path / name) for name in ("prey.json", "meadow.mp4")]


def test_an_unknown_name_is_not_found() -> None:
    assert run("none").exit_code == 4


def test_names_are_completed() -> None:
    assert complete_examples("short-") == ["short-text", "short-video"]
