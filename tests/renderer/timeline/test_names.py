"""Names of timeline files."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.timeline.names import bare_name, timeline_name, timeline_name_fault


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a/cat.json", "cat"),
        ("cat.scope-workflow.json", "cat"),
        ("cat.v2.json", "cat.v2"),
        ("cat", "cat"),
        (".json", "timeline"),
    ],
)
def test_a_timeline_is_called_like_its_file(file: str, name: str) -> None:
    assert timeline_name(Path(file)) == name
    assert not timeline_name_fault(Path(file))


@pytest.mark.parametrize(
    "name", ["..json", "...json", "a\x1b.json", "a\nb.json", "caf\udce9.json", "x" * 251 + ".json"]
)
def test_nothing_can_be_called_like_these_files(name: str) -> None:
    assert timeline_name_fault(Path("folder") / name).startswith("must be")


@pytest.mark.parametrize("path", ["cat.png", "a/b/cat.png", "C:\\pictures\\cat.png", "/a\\cat.png"])
def test_the_name_of_a_file_follows_the_folders_of_any_system(path: str) -> None:
    assert bare_name(path) == "cat.png"
