"""Renders that fit: loaded once, in fp8 where asked for, and again smaller when memory runs out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from renders.lora_files import write_lora
from renders.shots import timeline, write_timeline
from rushes.errors import MemoryShortError
from rushes.files.folders import Folders
from rushes.memory.memory_plan import MemoryPlan
from rushes.models.cast_linear import to_fp8
from rushes.models.stream_vae import StreamVAE
from rushes.presets.preset import load_preset
from rushes.rendering.fitted import FittedRenderer
from rushes.rendering.frames import render_frames
from rushes.rendering.loop import Progress
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import load_timeline

TINY = load_preset("tiny")
OOM = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.fixture
def renderer(folders: Folders) -> FittedRenderer:
    return FittedRenderer(TINY, folders, torch.device("cpu"), torch.float32)


@pytest.fixture
def request_(tmp_path: Path) -> RenderRequest:
    file = write_timeline(tmp_path / "shot.json", timeline(mode="text"))
    return RenderRequest(timeline=file, output=tmp_path / "out.mp4", preset="tiny")


def plan_of(request: RenderRequest, **options: Any) -> RenderPlan:
    loaded = load_timeline(request.timeline).require()
    return plan_render(loaded, PlanOptions(**options), TINY)


class FullCard:
    """Reports progress to a GPU that runs out of memory the first so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self, progress: Progress) -> None:
        if self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError(OOM)


def test_networks_stay_loaded_between_renders(
    renderer: FittedRenderer, request_: RenderRequest
) -> None:
    plan = plan_of(request_)
    pipeline = renderer.load(plan)
    renderer.render(plan, request_)
    assert renderer.load(plan_of(request_, seed=9)) is pipeline


def test_rooms_of_the_autoencoder_come_and_go_without_loading(
    renderer: FittedRenderer, request_: RenderRequest
) -> None:
    pipeline = renderer.load(plan_of(request_))
    vae = pipeline.models.vae
    assert isinstance(vae, StreamVAE)
    assert vae.keeps_room
    lean = pipeline.with_memory_plan(MemoryPlan(keeps_vae_rooms=False))
    assert lean.models is pipeline.models
    assert not vae.keeps_room
    renderer.pipeline = lean
    assert renderer.load(plan_of(request_)).models is pipeline.models
    assert vae.keeps_room


def test_without_room_for_pairs_the_picture_is_the_same_within_rounding(
    renderer: FittedRenderer, request_: RenderRequest
) -> None:
    """The manifest says which; networks stay loaded."""
    plan = plan_of(request_, duration=2)
    paired = renderer.load(plan)
    serial = paired.with_memory_plan(MemoryPlan(pairs_chunks=False))
    assert serial.models is paired.models

    def frames(pipeline: Pipeline) -> NDArray[np.int16]:
        made = [chunk for _, chunk in render_frames(pipeline, plan, request_)]
        return np.concatenate(made).astype(np.int16)

    assert len(plan.chunks) > 7  # the window is full
    assert np.abs(frames(serial) - frames(paired)).max() <= 1
    manifests = [render(pipeline, plan, request_, force=True) for pipeline in (paired, serial)]
    assert [manifest["pairs_chunks"] for manifest in manifests] == [True, False]


def test_another_setting_loads_them_anew(renderer: FittedRenderer, request_: RenderRequest) -> None:
    pipeline = renderer.load(plan_of(request_))
    narrow = renderer.load(plan_of(request_, quantization="fp8_e4m3fn"))
    assert narrow is not pipeline
    assert narrow.memory_plan == MemoryPlan("fp8")


def test_fp8_is_in_the_manifest_and_changes_the_picture(
    renderer: FittedRenderer, request_: RenderRequest
) -> None:
    whole = renderer.render(plan_of(request_), request_)
    narrow = renderer.render(plan_of(request_, quantization="fp8_e4m3fn"), request_, force=True)
    assert (whole["quantise"], narrow["quantise"]) == (None, "fp8")
    assert whole["attention"] == narrow["attention"] == "sdpa"
    assert whole["frames_sha256"] != narrow["frames_sha256"]
    assert whole["sha256"]["weights"] == narrow["sha256"]["weights"]


def test_a_lora_on_layers_in_fp8_makes_the_picture_of_the_sum(
    folders: Folders, request_: RenderRequest
) -> None:
    """The sum of the rounded weights and the LoRA; without the LoRA it is another picture."""
    write_lora(request_.timeline.parent / "loras" / "film.safetensors")
    document = timeline(loras=[{"path": "film.safetensors", "scale": 1}])
    write_timeline(request_.timeline, document)

    def frames(*, is_narrow: bool, with_lora: bool = True) -> NDArray[np.int16]:
        renderer = FittedRenderer(TINY, folders, torch.device("cpu"), torch.float32)
        plan = plan_of(request_, quantization="fp8_e4m3fn" if is_narrow else None)
        plan = plan if with_lora else replace(plan, loras=())
        pipeline = renderer.load(plan)
        if not is_narrow:
            for layer in pipeline.models.dit.blocks.modules():
                if isinstance(layer, torch.nn.Linear):
                    stored, scale = to_fp8(layer.weight.data)
                    layer.weight.data = stored.float() * scale.unsqueeze(1)
        made = [chunk for _, chunk in render_frames(pipeline, plan, request_)]
        return np.concatenate(made).astype(np.int16)

    narrow, summed = frames(is_narrow=True), frames(is_narrow=False)
    assert np.abs(narrow - summed).max() <= 1
    assert np.abs(narrow - frames(is_narrow=True, with_lora=False)).max() > 20


def test_a_render_that_runs_out_of_memory_is_done_again_smaller(
    renderer: FittedRenderer, request_: RenderRequest
) -> None:
    manifest = renderer.render(plan_of(request_), request_, report=FullCard(failures=1))
    assert (manifest["quantise"], manifest["text_encoder_on_cpu"]) == ("fp8", True)
    assert any("ran out of memory" in warning for warning in manifest["warnings"])
    alone = renderer.render(plan_of(request_, quantization="fp8_e4m3fn"), request_, force=True)
    assert alone["frames_sha256"] == manifest["frames_sha256"]
    assert not any("memory" in warning for warning in alone["warnings"])


def test_a_render_that_runs_out_twice_leaves_nothing(
    renderer: FittedRenderer, request_: RenderRequest
) -> None:
    with pytest.raises(MemoryShortError, match="out of memory twice"):
        renderer.render(plan_of(request_), request_, report=FullCard(failures=2))
    assert [path.name for path in request_.output.parent.iterdir()] == ["shot.json"]
