"""The published timelines and starter workflows on a farm: equal to their renders in process.

Each is rendered by the tiny form of its own model, at 64x64, by two workers. ``make test`` takes
one timeline of each model, its times shortened; ``make test-long`` all of them as published. The
files stay in ``$DATA_DIR``; without that folder these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from checkout import ROOT
from farm.running import RunningFarm, running_farm
from renders.lora_files import write_lora
from renders.shots import moving, write_clip
from rushes.presets.default import preset_of
from rushes.presets.preset import TINY
from rushes_queue.jobs.states import State

FOLDER = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data")) / "timelines"
SHORTER = 24  # times of the short form are divided by this
ONE_OF_EACH = (
    "timeline-evolution",
    "timeline-panda",
    "timeline-memflow-beekeeper",
    "timeline-reward-forcing-ink",
    "timeline-krea-flower-bloom-low-res",
)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no sample files in {FOLDER}")


@dataclass
class Shot:
    """A file, the model that renders it, and the flags that go with it."""

    file: Path
    preset: str
    flags: list[str] = field(default_factory=lambda: ["--size", "64x64"])

    @property
    def arguments(self) -> list[str]:
        return [str(self.file), "--preset", self.preset, *self.flags]


def timelines(folder: Path, clip: Path, shorter: int = 1) -> Iterator[Shot]:
    """Copies of the published timelines, all blocks in them, with their times divided."""
    for source in sorted(FOLDER.glob("*.json")):
        document = json.loads(source.read_text())
        for block in document["prompts"]:
            block["startTime"] /= shorter
            block["endTime"] /= shorter
        file = folder / source.name
        file.write_text(json.dumps(document))
        shot = Shot(file, preset_of(document["settings"]["pipelineId"]) + TINY)
        if shot.preset.startswith("streamdiffusionv2"):
            shot.flags += ["--input", str(clip), "--fps", "16"]
        yield shot


def starters(folder: Path, clip: Path) -> Iterator[Shot]:
    """Copies of the LongLive starters, beside LoRAs that are called like theirs."""
    for source in sorted((FOLDER / "starter").glob("*.json")):
        text = source.read_text()
        if '"longlive"' not in text:
            continue
        for name in re.findall(r'"filename": *"([^"]+\.safetensors)"', text):
            write_lora(folder / "loras" / name)
        document = json.loads(re.sub(r'"sha256": *"[^"]*"', '"sha256": null', text))
        flags = ["--size", "64x64", "--duration", "2", "--fps", "16"]
        if any("depth" in each["pipeline_id"] for each in document["pipelines"]):
            # Depth cannot be made here: the input stands for its pictures.
            document["pipelines"] = [
                each for each in document["pipelines"] if each["pipeline_id"] == "longlive"
            ]
            document.pop("graph", None)
        file = folder / source.name
        file.write_text(json.dumps(document))
        flags += ["--input", str(clip)]
        yield Shot(file, "longlive" + TINY, flags)


def assert_farm_agrees(running: RunningFarm, shots: list[Shot]) -> None:
    """Submit all of them, let two workers render, and compare with renders here."""
    served = [word for name in {shot.preset for shot in shots} for word in ("--models", name)]
    for _ in range(2):
        running.start_worker(*served)
    jobs: dict[str, Shot] = {}
    for shot in shots:
        result = running.run("submit", *shot.arguments)
        assert result.exit_code == 0, result.output
        jobs[result.stdout.strip()] = shot
    expected: dict[str, str] = {}
    for job, shot in jobs.items():
        output = running.folder / f"{job}.mp4"
        result = running.run("render", *shot.arguments, "-o", output, "--json")
        assert result.exit_code == 0, f"{shot.file.name}: {result.output}"
        expected[job] = json.loads(result.stdout)["frames_sha256"]
    done = running.wait(list(jobs), timeout=3600)
    assert {record.state for record in done.values()} == {State.DONE}
    for job, record in done.items():
        made = running.manifest(record)
        assert (jobs[job].file.name, made["frames_sha256"]) == (jobs[job].file.name, expected[job])
        assert made["preset"] == jobs[job].preset


def test_one_timeline_of_each_model(running: RunningFarm, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving(24))
    shots = [shot for shot in timelines(tmp_path, clip, SHORTER) if shot.file.stem in ONE_OF_EACH]
    assert len(shots) == len(ONE_OF_EACH)
    assert_farm_agrees(running, shots)


@pytest.mark.long
@pytest.mark.timeout(4000)
def test_all_as_published(shared_cache: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving(24))
    shots = [*timelines(tmp_path, clip), *starters(tmp_path, clip)]
    assert len(shots) >= 16
    with running_farm(cache=shared_cache) as running:
        assert_farm_agrees(running, shots)
