"""Every model of the family with small random networks: whole renders, stopped and taken up."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from checkout import ROOT
from renders.shots import block, moving, timeline, write_clip, write_timeline
from rushes.errors import InputError
from rushes.files.folders import Folders
from rushes.presets.default import preset_of
from rushes.presets.preset import TINY, load_preset, preset_names
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import Work
from rushes.timeline.plan.options import make_options
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.read.load import load_timeline

FAMILY = [
    name
    for name in preset_names()
    if load_preset(name).cache != "rolling" and not name.endswith(TINY)
]
PUBLISHED = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data")) / "timelines"
SHOT = timeline(block("a boat", 0, 1.5), block("a pond", 1.5, 4))


def pipeline_of(name: str, cache: Path) -> Pipeline:
    folders = Folders(cache / "models", cache, ())
    return load_pipeline(load_preset(name), folders, torch.device("cpu"), torch.float32)


def render_file(
    pipeline: Pipeline, file: Path, output: Path, work: Work | None = None, **options: Any
) -> dict[str, Any]:
    chosen = make_options(width=64, height=64, **options)
    plan = plan_render(load_timeline(file).require(), chosen, pipeline.preset)
    output.parent.mkdir(exist_ok=True)
    request = RenderRequest(
        timeline=file, output=output, options=chosen, preset=pipeline.preset.name
    )
    return render(pipeline, plan, request, work=work, force=True)


@pytest.mark.parametrize("name", FAMILY)
def test_its_tiny_form_renders_and_goes_on_from_a_save_point(name: str, tmp_path: Path) -> None:
    pipeline = pipeline_of(name + TINY, tmp_path / "cache")
    file = write_timeline(tmp_path / "shot.json", SHOT)
    # Into the second clip, where it makes clips.
    seconds: dict[str, Any] = {"duration": 6} if pipeline.preset.clip else {}
    whole = render_file(pipeline, file, tmp_path / "whole" / "a.mkv", mode="text", **seconds)
    work = Work(tmp_path / "work", SavePolicy(every_chunks=1))
    chosen = make_options(width=64, height=64, mode="text", **seconds)
    plan = plan_render(load_timeline(file).require(), chosen, pipeline.preset)
    stop_at = len(plan.chunks) - 2

    def stop(progress: Progress) -> None:
        if progress.chunk >= stop_at:
            raise StopRender("enough", save=True)

    request = RenderRequest(
        timeline=file, output=tmp_path / "b.mkv", options=chosen, preset=pipeline.preset.name
    )
    with pytest.raises(StopRender):
        render(pipeline, plan, request, work=work, report=stop)
    again = render(pipeline_of(name + TINY, tmp_path / "cache"), plan, request, work=work)
    assert again["frames_sha256"] == whole["frames_sha256"]
    assert again["resumed_at_chunk"] > 0


def test_a_clip_of_chunks_begins_with_the_frames_of_a_video(tmp_path: Path) -> None:
    pipeline = pipeline_of("self-forcing" + TINY, tmp_path / "cache")
    file = write_timeline(tmp_path / "shot.json", SHOT)
    clips = [write_clip(tmp_path / f"{n}.mp4", moving(n), fps=Fraction(16)) for n in (9, 8)]
    beginnings: list[dict[str, Any]] = [{"first_frame": str(clips[0])}, {}]
    begun, plain = (
        render_file(pipeline, file, tmp_path / "out" / "a.mkv", mode="text", duration=2, **given)
        for given in beginnings
    )
    assert (begun["num_frames"], begun["frames_sha256"] != plain["frames_sha256"]) == (32, True)
    assert begun["plan"]["chunks"][0]["given_file"] == str(clips[0])
    with pytest.raises(
        InputError, match="has 8 frames at 16 a second, and the render begins with 9"
    ):
        render_file(
            pipeline, file, tmp_path / "out" / "b.mkv", mode="text", first_frame=str(clips[1])
        )


def published() -> list[Any]:
    files = sorted(PUBLISHED.glob("timeline-*.json"))
    skip = pytest.mark.skip(reason=f"no sample files in {PUBLISHED}")
    return [pytest.param(file, id=file.stem) for file in files] or [pytest.param(None, marks=skip)]


@pytest.mark.parametrize("file", published())
def test_a_published_timeline_is_planned_for_its_own_model(file: Path) -> None:
    named = json.loads(file.read_text())["settings"]["pipelineId"]
    preset = load_preset(preset_of(named))
    assert preset.pipeline_id == named
    options = make_options(input_fps=16, input_frames=300)
    plan = plan_render(load_timeline(file).require(), options, preset)
    own = 12 if named != "streamdiffusionv2" else 4
    assert {chunk.num_frames for chunk in plan.chunks if not chunk.reset} == {own}


@pytest.mark.parametrize("name", ["longlive", "memflow", "reward-forcing", "krea-realtime-14b"])
def test_a_published_timeline_renders_over_its_first_switch(name: str, tmp_path: Path) -> None:
    own = load_preset(name).pipeline_id
    files = [
        path
        for path in sorted(PUBLISHED.glob("timeline-*.json"))
        if json.loads(path.read_text())["settings"].get("pipelineId") == own
    ]
    if not files:
        pytest.skip(f"no sample files in {PUBLISHED}")
    document = json.loads(files[0].read_text())
    switch = document["prompts"][0]["endTime"]
    pipeline = pipeline_of(name + TINY, tmp_path / "cache")
    manifest = render_file(pipeline, files[0], tmp_path / "out" / "a.mkv", duration=switch + 1.5)
    assert len({chunk["prompt_block"] for chunk in manifest["plan"]["chunks"]}) == 2
