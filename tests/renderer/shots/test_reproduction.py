"""What is here of a published film: its timeline, clip and weights, told by their hashes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from checkout import ROOT
from renders.shots import write_clip
from rushes.errors import MissingFileError
from rushes.files.resources import data_folder
from rushes.presets.preset import load_preset
from rushes.shots.recordings import CLIP_NAMES, PLAYED_WITH, TIMELINES
from rushes.shots.reproduction import Finding, compare, find_clip, find_timeline
from rushes.shots.shot import Shot, plan_shots
from rushes.timeline.plan.options import make_options
from rushes.timeline.read.load import load_timeline

DATA = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data"))


def shot_of(file: Path, video: Path, **options: Any) -> Shot:
    loaded = load_timeline(file).require()
    chosen = make_options(**PLAYED_WITH | options)
    (shot,) = plan_shots(loaded, file, load_preset("tiny"), [chosen], video=video)
    return shot


def findings(shot: Shot, preset: str = "tiny", **origins: str) -> dict[str, Finding]:
    return {each.topic: each for each in compare(shot, load_preset(preset), origins)}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "mine.mp4")


@pytest.mark.parametrize("name", TIMELINES)
def test_the_shipped_timeline_stands_in_for_the_published_one(name: str, tmp_path: Path) -> None:
    assert find_timeline(name, tmp_path) == data_folder("timelines") / f"{name}.json"
    here = tmp_path / TIMELINES[name].name
    here.write_text("{}")
    assert find_timeline(name, tmp_path) == here


def test_any_other_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "shot.json"
    file.write_text("{}")
    assert find_timeline(str(file), tmp_path) == file
    with pytest.raises(MissingFileError, match="known by name are evolution, feline, prey"):
        find_timeline("revolution", tmp_path)


@pytest.mark.parametrize("name", CLIP_NAMES)
def test_a_clip_is_told_by_its_hash(name: str, tmp_path: Path) -> None:
    write_clip(tmp_path / name)
    assert find_clip(tmp_path) is None
    published = DATA / "scope-test.mp4"
    if published.exists():
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to(published)
        assert find_clip(tmp_path) == tmp_path / name


def test_what_differs_is_said_with_what_to_do(clip: Path) -> None:
    shot = shot_of(data_folder("timelines") / "evolution.json", clip, width=96, height=96)
    found = findings(shot)
    assert [topic for topic, each in found.items() if each.is_original] == ["noise", "rules"]
    assert "put timeline-evolution.json here" in found["timeline"].text
    assert "test.mp4 (CC BY-NC-SA 4.0)" in found["clip"].text
    assert "rushes models download streamdiffusionv2-1.3b" in found["weights"].text
    assert found["size"].text == "96x96; the films have 512x512"


def test_the_published_files_are_known(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip(f"no sample files in {DATA}")
    for name, published in TIMELINES.items():
        shot = shot_of(DATA / "timelines" / published.name, DATA / "scope-test.mp4")
        found = findings(shot)
        differing = [topic for topic, each in found.items() if not each.is_original]
        assert differing == ["weights"], name
        assert str(found["timeline"]).startswith("timeline  as published: ")


def test_weights_are_named_with_their_origin(clip: Path) -> None:
    shot = shot_of(data_folder("timelines") / "prey.json", clip)
    found = findings(shot, "streamdiffusionv2-1.3b", dit="daydreamlive/StreamDiffusionV2@abc")
    assert found["weights"].is_original
    assert "dit from daydreamlive/StreamDiffusionV2@abc" in found["weights"].text


def test_noise_and_rules_of_ones_own_are_no_reproduction(clip: Path) -> None:
    values = {"noise": "torch-cpu", "noise_device": None, "profile": "scope"}
    found = findings(shot_of(data_folder("timelines") / "prey.json", clip, **values))
    assert not found["noise"].is_original
    assert not found["rules"].is_original
