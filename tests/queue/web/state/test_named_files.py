"""A timeline from a browser names no file of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

import rushes
from renders.shots import timeline
from rushes_queue.web.state.named_files import foreign_files, is_inside


@pytest.mark.parametrize("name", ["cat.mp4", "clips/cat.mp4", "./cat.mp4", "a..b.mp4"])
def test_names_inside_are_taken(name: str) -> None:
    assert is_inside(name)


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../cat.mp4", "clips/../../cat.mp4", "~/cat.mp4", "~root/x"),
        *("C:\\cat.mp4", "\\\\host\\share\\cat.mp4", "..\\cat.mp4", "c:cat.mp4", "a\0b"),
    ],
)
def test_names_that_lead_out_are_not(name: str) -> None:
    assert not is_inside(name)


@pytest.mark.parametrize(
    ("ext", "field"),
    [
        ({"inputs": [{"uri": "/etc/passwd"}]}, "ext.inputs[0].uri"),
        ({"audio": {"uri": "../sound.wav"}}, "ext.audio.uri"),
        ({"control": {"input": "/a.mp4"}}, "ext.control.input"),
        ({"control": {"mask": "/a.png"}}, "ext.control.mask"),
    ],
)
def test_the_field_is_named(ext: dict[str, object], field: str) -> None:
    read = rushes.load_timeline(timeline(mode="video", ext=ext), allow_outside=True).timeline
    (problem,) = foreign_files(read, Path("/cache/assets"))
    assert problem.path == field
    assert problem.severity == "error"


def test_images_of_blocks_are_looked_at_too() -> None:
    document = timeline(mode="text", ext={"prefix": ""})
    document["prompts"][0]["ext"] = {"vace": {"ref_images": ["/a.png", "b.png"]}}
    read = rushes.load_timeline(document, allow_outside=True).timeline
    assert [problem.path for problem in foreign_files(read, Path("/c"))] == ["prompts[0]"]
    assert foreign_files(read, Path("/")) == []  # files that a document carried lie there
