"""A model of one's own is one YAML file; timelines that name its pipeline are rendered with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from renders.shots import block, timeline, write_timeline
from rushes.files.resources import data_folder
from rushes_queue.cli import app

OTHER_WINDOW = {"latent_frames": 1, "window": 4, "sinks": 1}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("RUSHES_MODELS_DIR", str(tmp_path / "models"))


def write_preset(path: Path, **changes: Any) -> Path:
    """Write a preset with random weights, as small as ``tiny``."""
    tiny = yaml.safe_load((data_folder("configs") / "tiny.yaml").read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(tiny | {"pipeline_id": "dreamer"} | changes), encoding="utf-8")
    return path


def write_shot(folder: Path, pipeline: str = "dreamer") -> Path:
    shot = timeline(block("a", 0, 1), block("b", 1, 2), pipelineId=pipeline)
    return write_timeline(folder / f"{pipeline}.json", shot)


def rushes(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def frames_of(folder: Path, shot: Path, preset: Path, *options: str) -> str:
    output = folder / f"{preset.stem}.mp4"
    code, _, said = rushes("render", shot, "--preset", preset, "-o", output, *options)
    assert code == 0, said
    manifest = json.loads(output.with_name(f"{output.name}.json").read_text())
    assert manifest["preset"] == preset.stem
    return str(manifest["frames_sha256"])


def test_its_window_and_pipeline_are_used(tmp_path: Path) -> None:
    shot = write_shot(tmp_path)
    mine = write_preset(tmp_path / "mine.yaml", chunk=OTHER_WINDOW)
    same = write_preset(tmp_path / "same.yaml")
    assert frames_of(tmp_path, shot, mine) != frames_of(tmp_path, shot, same)


def test_what_it_plays_by_default_is_used(tmp_path: Path) -> None:
    play = {"default_mode": "text", "height": 96, "width": 64, "on_prompt_change": "reset"}
    mine = write_preset(tmp_path / "mine.yaml", chunk=OTHER_WINDOW, play=play)
    document = timeline(block("a", 0, 1), block("b", 1, 2), pipelineId="dreamer")
    for key in ("inputMode", "resolution"):
        del document["settings"][key]
    shot = write_timeline(tmp_path / "shot.json", document)
    code, output, said = rushes("plan", shot, "--preset", mine, "--json")
    assert code == 0, said
    plan = json.loads(output)
    assert (plan["mode"], plan["height"], plan["width"]) == ("text", 96, 64)
    assert sum(chunk["reset"] for chunk in plan["chunks"]) == 2


def test_without_it_the_pipeline_is_unknown(tmp_path: Path) -> None:
    code, _, said = rushes("render", write_shot(tmp_path), "-o", tmp_path / "a.mp4")
    assert code == 3
    assert '"dreamer" is unknown' in said


def test_a_file_of_another_pipeline_needs_to_be_asked_for(tmp_path: Path) -> None:
    mine = write_preset(tmp_path / "mine.yaml")
    shot = write_shot(tmp_path, "streamdiffusionv2")
    code, _, said = rushes("render", shot, "--preset", mine, "-o", tmp_path / "a.mp4")
    assert code == 3
    assert "--pipeline dreamer" in said
    assert frames_of(tmp_path, shot, mine, "--pipeline", "dreamer")


def test_a_pipeline_that_nothing_renders_cannot_be_asked_for(tmp_path: Path) -> None:
    shot = write_shot(tmp_path, "streamdiffusionv2")
    code, _, said = rushes("render", shot, "--pipeline", "dreamer", "-o", tmp_path / "a.mp4")
    assert code == 2
    assert "streamdiffusionv2" in said
