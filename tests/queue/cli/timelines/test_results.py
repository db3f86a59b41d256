"""Renders that are interrupted and go on, or are made again, as a user meets them."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from renders.command import Desk, Rushes, manifest_in, rendering
from renders.shots import block, timeline, write_timeline

SHOT = timeline(block("a boat", 0, 6), block("a pond", 6, 12))


@pytest.fixture
def saving(rushes: Rushes) -> Rushes:
    """The command, on a machine that saves each second chunk."""
    return rushes.with_variables(RUSHES_SAVE_POINT_CHUNKS="2")


@pytest.fixture(scope="module")
def whole(rushes: Rushes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of a render that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    write_timeline(folder / "shot.json", SHOT)
    result = rushes.run("render", "shot.json", cwd=folder)
    assert result.returncode == 0, result.stderr
    return manifest_in(folder)


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_a_render_goes_on_where_it_ended(
    name: str, saving: Rushes, whole: dict[str, Any], tmp_path: Path
) -> None:
    write_timeline(tmp_path / "shot.json", SHOT)
    with rendering(saving, tmp_path) as command:
        command.process.send_signal(getattr(signal, name))
        ended = command.finish(60)
    assert ended.stdout == ""
    if name != "SIGKILL":
        assert ended.returncode == 130
        assert ended.stderr.splitlines()[-1].endswith(
            "is saved: the same command with --resume goes on"
        )
        assert [path.name for path in tmp_path.iterdir()] == ["shot.json"]
    result = saving.run("render", "shot.json", "--resume", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    resumed = manifest_in(tmp_path)
    assert resumed["resumed_at_chunk"] > 0
    assert resumed["frames_sha256"] == whole["frames_sha256"]
    assert resumed["warnings"] == whole["warnings"]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == [
        *("shot.json", "shot.mp4", "shot.mp4.json", "shot.mp4.png")
    ]


def test_takes_that_are_made_are_left_out(desk: Desk) -> None:
    desk.must("shot.json --seeds 1,2")
    for file in desk.folder.glob("shot-2.*"):
        file.unlink()
    result = desk.must("shot.json --seeds 1,2 --resume --json")
    assert json.loads(result.stdout)["seed"] == 2
    assert result.stderr.count("is made already") == 1
    other = desk.types("shot.json --seed 1 --crf 9 -o shot-1.mp4 --resume")
    assert other.exit_code == 6, other.output  # it is another result
