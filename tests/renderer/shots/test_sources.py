"""Timelines in files and in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from renders.shots import timeline, write_timeline
from rushes.errors import TimelineError
from rushes.shots.sources import open_source, read_source


def test_a_document_in_memory_lies_in_the_current_folder_under_a_name_of_its_own() -> None:
    first, second = open_source(timeline(seed=1)), open_source(timeline(seed=2))
    assert first.file.parent == Path()
    assert first.file != second.file
    assert first.content is not None
    assert json.loads(first.content) == timeline(seed=1)


def test_a_file_keeps_its_content_to_itself(tmp_path: Path) -> None:
    file = write_timeline(tmp_path / "shot.json", timeline())
    document = open_source(str(file))
    assert (document.file, document.content) == (file, None)
    assert open_source(document) is document
    assert read_source(document).timeline is document.timeline


def test_what_is_not_at_hand_is_refused() -> None:
    lacking = timeline(loras=[{"path": "none.safetensors", "scale": 1.0}])
    with pytest.raises(TimelineError, match=r"none\.safetensors"):
        open_source(lacking)
