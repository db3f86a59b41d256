"""Names of results."""

from __future__ import annotations

from pathlib import Path

import pytest

from renders.plans import block, document, plan
from rushes.errors import ConfigError
from rushes.presets.preset import Preset
from rushes.shots.names import name_output


def test_what_was_asked_for_counts_more_than_the_timeline_and_that_more_than_its_file(
    preset: Preset,
) -> None:
    file = Path("folder/cat.json")
    plain = plan(document(block(0, 1, "a cat"), seed=5), preset)
    named = plan(document(block(0, 1, "a cat"), ext={"output": {"name": "tiger"}}), preset)
    assert name_output(None, file, plain, is_one_of_many=False) == Path("cat.mp4")
    assert name_output(None, file, named, is_one_of_many=False) == Path("tiger.mp4")
    assert name_output(Path("b/c.mkv"), file, named, is_one_of_many=False) == Path("b/c.mkv")
    assert name_output(None, file, plain, is_one_of_many=True) == Path("cat-5.mp4")


def test_a_folder_is_not_a_name(preset: Preset) -> None:
    with pytest.raises(ConfigError, match="names no file"):
        name_output(
            Path(),
            Path("a.json"),
            plan(document(block(0, 1, "a cat")), preset),
            is_one_of_many=True,
        )
