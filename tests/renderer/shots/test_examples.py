"""The examples that travel with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import ROOT
from rushes.errors import ConflictError, MissingFileError
from rushes.shots.examples import copy_examples, example_names, open_examples

SHIPPED = sorted(file.stem for file in (ROOT / "timelines").glob("*.json"))


def test_every_shipped_timeline_is_an_example() -> None:
    assert example_names() == SHIPPED
    assert [each.name for each in open_examples()] == SHIPPED


def test_an_example_says_how_long_it_is_and_what_it_needs() -> None:
    [text] = open_examples(["short-text"])
    assert (text.seconds, text.clip) == (2.0, None)
    assert text.first_prompt.startswith("A paper lantern")
    [video] = open_examples(["short-video"])
    assert video.clip is not None
    assert video.clip.name == "meadow.mp4"
    assert video.clip.exists()


def test_copies_have_their_clip_beside_them_and_stay_where_they_are_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "new" / "folder"
    copies = copy_examples(open_examples(["short-video", "prey"]), folder)
    assert [copy.name for copy in copies] == ["short-video.json", "meadow.mp4", "prey.json"]
    assert all(
        copy.read_bytes() == (ROOT / "timelines" / copy.name).read_bytes() for copy in copies
    )
    assert copy_examples(open_examples(["prey"]), folder)


def test_a_changed_copy_is_replaced_only_by_force(tmp_path: Path) -> None:
    prey = open_examples(["prey"])
    (tmp_path / "prey.json").write_text("mine")
    with pytest.raises(ConflictError, match=r"prey\.json: is there already"):
        copy_examples(prey, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["prey.json"]
    copy_examples(prey, tmp_path, force=True)
    assert (tmp_path / "prey.json").read_bytes() == prey[0].file.read_bytes()


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(MissingFileError, match=r"none: is not an example; there are evolution"):
        open_examples(["none"])
