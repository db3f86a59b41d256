"""Takes that are rendered together: files, manifests and frames of each as if alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from renders.shots import Frames, block, moving, read_pngs, timeline, write_clip
from renders.studio import Studio
from rushes.errors import ConfigError, ConflictError
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.takes import Take, render_takes

SEEDS = (1, 2, 3)
VIDEO = timeline(block("a boat", 0, 0.3), block("a pond", 0.3, 0.6), mode="video")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("input") / "clip.mp4", moving(32))


def takes_of(studio: Studio, document: dict[str, Any], clip: Path | None) -> list[Take]:
    return [
        Take(*studio.prepare(document, f"take{seed}.png", source=clip, seed=seed)) for seed in SEEDS
    ]


def frames_of(studio: Studio) -> list[Frames]:
    return [read_pngs(studio.folder / f"take{seed}") for seed in SEEDS]


def test_takes_in_rows_are_those_rendered_one_by_one(studio: Studio, clip: Path) -> None:
    takes = takes_of(studio, VIDEO, clip)
    for take in takes:
        render_takes(studio.pipeline, [take])
    alone = frames_of(studio)
    reports: list[Progress] = []
    manifests = render_takes(studio.pipeline, takes, force=True, report=reports.append)
    for frames, expected in zip(frames_of(studio), alone, strict=True):
        assert np.array_equal(frames, expected)  # in float32 on a CPU
    assert not np.array_equal(alone[0], alone[1])
    assert [manifest["seed"] for manifest in manifests] == list(SEEDS)
    assert [manifest["rows"] for manifest in manifests] == [3, 3, 3]
    assert [report.chunk for report in reports] == list(range(1, len(takes[0].plan.chunks) + 1))
    kept = json.loads((studio.folder / "take2.png.json").read_text())
    assert kept["frames_sha256"] == manifests[1]["frames_sha256"]


def test_a_take_that_is_there_stops_all_before_any_work(studio: Studio) -> None:
    takes = takes_of(studio, timeline(), None)
    render_takes(studio.pipeline, takes[1:2])
    with pytest.raises(ConflictError, match="take2"):
        render_takes(studio.pipeline, takes)
    assert not (studio.folder / "take1").exists()


def test_who_stops_one_stops_all_and_leaves_nothing(studio: Studio) -> None:
    takes = takes_of(studio, timeline(), None)

    def stop(progress: Progress) -> None:
        raise StopRender("enough", save=False)

    with pytest.raises(StopRender, match="enough"):
        render_takes(studio.pipeline, takes, report=stop)
    assert studio.files() == ["shot.json"]


def test_lora_strengths_that_change_are_refused(studio: Studio) -> None:
    plan, request = studio.prepare(timeline())
    chunks = tuple(replace(chunk, lora_scales=(float(chunk.index),)) for chunk in plan.chunks)
    changing = Take(replace(plan, chunks=chunks), request)
    with pytest.raises(ConfigError, match="leave --rows out"):
        render_takes(studio.pipeline, [changing, changing])
