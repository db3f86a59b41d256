"""The published timelines through the command line: their plans, and one short render.

The files stay in ``$DATA_DIR``; without that folder these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from checkout import ROOT
from rushes_queue.cli import app

FOLDER = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no sample files in {FOLDER}")

# Frames at 16 a second: specification of the timeline, section 6.6.
NUM_FRAMES = {
    "timeline-evolution.json": 458,
    "timeline-feline.json": 389,
    "timeline-prey.json": 493,
    "timeline-factory.json": 540,
    "timeline-panda.json": 592,
    "timeline-krea-abstract-shape.json": 910,
    "timeline-krea-flower-bloom.json": 630,
    "timeline-krea-flower-bloom-low-res.json": 630,
    "timeline-memflow-beekeeper.json": 179,
    "timeline-memflow-detective.json": 179,
    "timeline-reward-forcing-ink.json": 261,
    "timeline-reward-forcing-melt.json": 253,
    "0.31bias.json": 160,
}


def plan(name: str, *arguments: str) -> dict[str, Any]:
    file = FOLDER / "timelines" / name
    named = json.loads(file.read_text())["settings"]["pipelineId"]
    if named != "streamdiffusionv2":
        arguments = (*arguments, "--pipeline", "streamdiffusionv2")
    result = CliRunner().invoke(app, ["plan", str(file), "--json", *arguments])
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def test_every_published_timeline_is_in_the_table() -> None:
    assert {file.name for file in (FOLDER / "timelines").glob("*.json")} == NUM_FRAMES.keys()


@pytest.mark.parametrize("name", NUM_FRAMES)
def test_a_published_timeline_has_its_number_of_frames(name: str) -> None:
    found = plan(name)
    assert found["num_frames"] == NUM_FRAMES[name]
    assert found["fps_exact"] == "16"
    assert sum(chunk["num_frames"] for chunk in found["chunks"]) == found["num_frames_made"]


@pytest.mark.parametrize(
    ("name", "keep", "reset", "num_frames_of_2025"),
    [
        ("timeline-evolution.json", 115, 114, 429),
        ("timeline-feline.json", 97, 96, 365),
        ("timeline-prey.json", 123, 123, 462),
    ],
)
def test_the_examples_of_this_pipeline_have_the_chunks_of_each_way_to_play_them(
    name: str, keep: int, reset: int, num_frames_of_2025: int
) -> None:
    assert plan(name)["num_chunks"] == keep
    assert plan(name, "--on-prompt-change", "keep")["num_chunks"] == keep
    assert plan(name, "--on-prompt-change", "reset")["num_chunks"] == reset
    assert plan(name, "--profile", "scope-2025-10")["num_frames"] == num_frames_of_2025


def test_a_published_timeline_renders_over_the_published_input(tmp_path: Path) -> None:
    """Two seconds at 64x64; the whole of it at full size would take too long here."""
    sources = os.pathsep.join(str(ROOT / name) for name in ("renderer", "queue"))
    folders = {"RUSHES_CACHE_DIR": str(tmp_path / "cache"), "RUSHES_MODELS_DIR": str(tmp_path)}
    result = subprocess.run(
        [
            *(sys.executable, "-c", "from rushes_queue.cli import main; main()", "render"),
            str(FOLDER / "timelines" / "timeline-evolution.json"),
            *("--input", str(FOLDER / "original.mp4"), "-o", "cat.mp4"),
            *("--size", "64x64", "--duration", "2", "--json"),
        ],
        env=os.environ | folders | {"PYTHONPATH": sources},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["num_frames"], answer["fps"], answer["seed"]) == (32, 16, 42)
    with av.open(tmp_path / "cat.mp4") as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate == Fraction(16)
    assert np.shape(frames) == (32, 64, 64, 3)
    manifest = json.loads((tmp_path / "cat.mp4.json").read_text())
    assert [chunk["denoising_steps"] for chunk in manifest["plan"]["chunks"]] == [[700, 500]] * 8
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "cat.mp4",
        "cat.mp4.json",
        "cat.mp4.png",
    ]
