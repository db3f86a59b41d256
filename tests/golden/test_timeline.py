"""Whole renders, from a timeline file and a clip to frames, against recorded ones of scope."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from references.recorded_renders import RecordedRender, recorded_renders
from renders.shots import read_pngs
from rushes.files.folders import Folders
from rushes.presets.preset import Preset
from rushes.rendering.pipeline import load_pipeline
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import load_timeline
from rushes.video.read.probe import probe_video

pytestmark = pytest.mark.timeout(600)


def plan_of(case: RecordedRender, preset: Preset) -> tuple[RenderPlan, PlanOptions]:
    """Plan the timeline the way the command line does; its end is in the midst of a chunk."""
    options = PlanOptions()
    if case.clip is not None:
        info = probe_video(case.clip)
        known = {"input_fps": info.fps, "input_frames": info.num_frames}
        options = options.model_copy(update=known | {"input_duration": info.duration})
    loaded = load_timeline(case.timeline).require()
    return plan_render(loaded, options, preset), options


@pytest.mark.parametrize("case", recorded_renders())
def test_a_plan_has_the_chunks_of_the_recorded_render(case: RecordedRender) -> None:
    plan, _ = plan_of(case, case.preset())
    facts = case.facts
    assert (plan.mode, plan.fps, plan.height, plan.width, plan.seed) == tuple(
        facts[name] for name in ("mode", "fps", "height", "width", "seed")
    )
    assert plan.num_frames_made == facts["num_frames"]
    assert len(plan.chunks) == facts["chunks"][-1]["index"] + 1
    for expected in facts["chunks"]:
        chunk = plan.chunks[expected["index"]]
        found = {
            "index": chunk.index,
            "first_frame": chunk.first_frame,
            "num_frames": chunk.num_frames,
            "prompt_block": chunk.prompt_block,
            "reset": chunk.reset,
            "seed": chunk.seed,
            "latent_start": chunk.position,
            "num_latents": chunk.num_latent_frames,
            "transition_active": chunk.transition is not None and chunk.transition < 1,
        }
        assert found == {name: expected[name] for name in found}


@pytest.mark.parametrize("case", recorded_renders())
def test_a_render_has_the_frames_of_the_recorded_one(case: RecordedRender, tmp_path: Path) -> None:
    preset = case.preset()
    plan, options = plan_of(case, preset)
    folders = Folders(case.models_dir, tmp_path / "cache", ())
    pipeline = load_pipeline(preset, folders, torch.device("cpu"), torch.float32)
    request = RenderRequest(
        timeline=case.timeline,
        output=tmp_path / "frames.png",
        input=case.clip,
        options=options,
        preset=preset.name,
    )
    render(pipeline, plan, request)
    frames = read_pngs(tmp_path / "frames")
    first_kept, expected = case.facts["frames_from"], case.frames
    num_compared = 0
    for chunk in plan.chunks:
        first = chunk.first_frame
        if first < first_kept:
            continue
        end = min(first + chunk.num_frames, plan.num_frames)
        actual = frames[first:end].astype(np.int16)
        recorded = expected[first - first_kept : end - first_kept].astype(np.int16)
        worst = int(np.abs(actual - recorded).max())
        assert worst <= case.facts["tolerance"]["levels"], f"chunk {chunk.index}"
        num_compared += end - first
    assert num_compared == plan.num_frames - first_kept
