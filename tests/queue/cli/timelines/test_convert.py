"""``rushes convert``: a timeline on stdout or in a file, losses on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rushes.timeline.read.load import parse_timeline
from rushes_queue.cli import app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"prompt_map": {"0": "a boat", "32": "ein Teich, grün"}}))
    return path


def convert(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_a_timeline_goes_to_stdout_and_losses_to_stderr(file: Path) -> None:
    result = convert(file, "--fps", "10")
    assert result.exit_code == 0
    timeline = parse_timeline(result.stdout).require()
    assert timeline.ext.output.fps == 10
    assert timeline.blocks[1].prompts[0].text == "ein Teich, grün"
    assert "--length" in result.stderr


def test_a_file_is_written_once(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "shot.json"
    assert convert(file, "-o", output, "--length", 48).exit_code == 0
    assert parse_timeline(output.read_bytes()).ok
    assert convert(file, "-o", output).exit_code == 6
    assert convert(file, "-o", output, "--force").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.json", "shot.json"]


def test_a_place_that_cannot_hold_the_file_is_told(file: Path, tmp_path: Path) -> None:
    for place, told in ((tmp_path / "no" / "shot.json", "make it first"), (".", "is a folder")):
        result = convert(file, "-o", place, "--force")
        assert result.exit_code == 1
        assert told in result.stderr.splitlines()[-1]


def test_the_kind_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "flat.json"
    path.write_text('{"prompts": {"0": "a boat"}}')
    assert convert(path, "--from", "deforum").exit_code == 0
    assert convert(path, "--from", "animatediff").exit_code == 3


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("[]")
    assert convert(path).exit_code == 3
    assert convert(tmp_path / "none.json").exit_code == 4
    assert convert(tmp_path).exit_code == 3
    assert convert(path, "--fps", "fast").exit_code == 2
    assert convert(path, "--length", "0").exit_code == 2
