"""Files that a document names outside its folder are refused, unless that is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from renders.shots import block, timeline
from rushes.timeline.read.load import load_timeline

OUTSIDE: dict[str, dict[str, Any]] = {
    "ext.inputs[0].uri": {"inputs": [{"uri": "../clip.mp4"}]},
    "ext.audio.uri": {"audio": {"uri": "/etc/passwd"}},
    "ext.control.input": {"control": {"input": "/dev/zero"}},
    "ext.control.mask": {"control": {"input": "clip.mp4", "mask": "../mask.png"}},
}


def write(folder: Path, ext: dict[str, Any], *blocks: dict[str, Any]) -> Path:
    file = folder / "t.json"
    file.write_text(json.dumps(timeline(*blocks, ext=ext)))
    return file


@pytest.mark.parametrize("path", OUTSIDE)
def test_every_place_that_names_a_file_is_looked_at(path: str, tmp_path: Path) -> None:
    file = write(tmp_path, OUTSIDE[path])
    (problem,) = [each for each in load_timeline(file).problems if each.severity == "error"]
    assert problem.path == path
    assert "is outside the folder of this file; copy it there, or give --allow-outside" in str(
        problem
    )
    assert load_timeline(file, allow_outside=True).ok


def test_a_picture_of_a_block_is_looked_at_where_its_link_leads(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "own.png").touch()
    (outside / "other.png").touch()
    (inside / "other.png").symlink_to(outside / "other.png")
    ext = {"vace": {"ref_images": ["own.png"], "first_frame": "other.png"}}
    file = write(inside, {"schema": 1}, block("a", 0, 0.3, ext=ext))
    (problem,) = [each for each in load_timeline(file).problems if each.severity == "error"]
    assert (problem.path, "other.png is outside" in str(problem)) == ("prompts[0]", True)


def test_files_below_the_folder_may_have_any_form(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for uri in ("clip.mp4", "a/../b/clip.mp4", str(tmp_path / "clip.mp4")):
        assert load_timeline(write(tmp_path, {"inputs": [{"uri": uri}]})).ok
    file = write(tmp_path / "link", {"inputs": [{"uri": str(tmp_path / "real" / "clip.mp4")}]})
    assert load_timeline(file).ok
