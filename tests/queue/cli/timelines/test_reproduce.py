"""``rushes reproduce``: what it says beforehand, the plan that it renders, and its manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT
from renders.shots import write_clip
from rushes.files.hashes import sha256_of
from rushes_queue.cli import app

DATA = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data"))
ENTRIES = [(0, 0), (18, 73), (37, 150), (50, 203), (72, 292)]  # chunk and frame of each reset


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUSHES_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("RUSHES_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path


def run(*arguments: str) -> Result:
    small = ("--preset", "tiny", "--size", "64x64")
    return CliRunner().invoke(app, ["reproduce", *arguments, *small])


@pytest.fixture
def clip(here: Path) -> Path:
    published = DATA / "scope-test.mp4"
    return published if published.exists() else write_clip(here / "clip.mp4")


@pytest.mark.timeout(300)
def test_evolution_has_the_plan_of_its_day(here: Path, clip: Path) -> None:
    result = run("evolution", "--input", str(clip))
    assert result.exit_code == 0, result.output
    for topic in ("timeline", "clip", "weights", "noise", "size", "rules"):
        assert f"\n{topic}" in f"\n{result.stderr}"
    manifest: dict[str, Any] = json.loads((here / "evolution.mp4.json").read_text())
    assert (manifest["profile"], manifest["fps"], manifest["num_frames"]) == (
        *("scope-2025-10", 16, 458),
    )
    assert (manifest["noise"], manifest["noise_device"]) == ("cuda", "h100")
    assert manifest["sha256"]["input"] == sha256_of(clip)
    chunks = manifest["plan"]["chunks"]
    resets = [chunk for chunk in chunks if chunk["reset"]]
    assert [(chunk["index"], chunk["first_frame"]) for chunk in resets] == ENTRIES
    assert {chunk["seed"] for chunk in resets} == {42}
    assert len(chunks) == 114


def test_another_gpu_and_a_file_can_be_named(here: Path, clip: Path) -> None:
    block = {"startTime": 0, "endTime": 1, "prompts": [{"text": "a boat"}]}
    settings = {"pipelineId": "streamdiffusionv2"}
    file = here / "mine.json"
    file.write_text(json.dumps({"prompts": [block], "settings": settings, "version": "2.0"}))
    result = run(str(file), "--input", str(clip), "--noise-device", "4090", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["noise_device"] == "4090"
    assert "is none of evolution, feline, prey" in result.stderr
    assert "note: this timeline" not in result.stderr  # it has the profile that would be proposed


def test_without_a_clip_it_says_which_one_is_missing(here: Path) -> None:
    block = {"startTime": 0, "endTime": 1, "prompts": [{"text": "a boat"}]}
    file = here / "mine.json"
    file.write_text(json.dumps({"prompts": [block], "version": "2.0"}))
    result = run(str(file))
    assert result.exit_code == 3
    assert "there is none; the published one is https://github.com/daydreamlive" in result.stderr
    assert not list(here.glob("mine.mp4*"))


def test_a_name_that_is_not_known_is_refused(here: Path) -> None:
    result = run("revolution")
    assert result.exit_code == 4
    assert "evolution, feline, prey" in result.output
