"""What is put around the models of the family: VACE, LoRAs, small autoencoders, fp8; together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from renders.lora_files import write_lora
from renders.shots import block, moving, timeline, write_clip, write_timeline
from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.presets.preset import TINY, load_preset, preset_names
from rushes.rendering.fitted import FittedRenderer
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.request import RenderRequest
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import Work
from rushes.timeline.plan.options import make_options
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.read.load import load_timeline

LONG_MEMBER = "causal-forcing-long"
FAMILY = [name for name in preset_names() if load_preset(name).cache != "rolling"]


def some(*always: str, without: str = "") -> list[Any]:
    """The models that are always tried; the others are for the long run."""
    return [
        pytest.param(name, marks=[] if name in always else [pytest.mark.long])
        for name in FAMILY
        if name != without
    ]


@dataclass
class Room:
    """A folder with control video, image and LoRA, and a renderer of one tiny model."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        write_clip(self.folder / "control.mp4", moving(24))
        pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(self.folder / "face.png")
        write_lora(self.folder / "loras" / "style.safetensors")
        self.preset = load_preset(self.name + TINY)
        self.folders = Folders(self.folder / "models", self.folder / "cache", ())
        self.renderer = self.open()

    def open(self) -> FittedRenderer:
        return FittedRenderer(self.preset, self.folders, torch.device("cpu"), torch.float32)

    def render(
        self, *, with_lora: bool = False, how: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        document = timeline(block("a boat", 0, 1), block("a pond", 1, 2.2))
        if with_lora:
            document["settings"]["loras"] = [{"path": "style.safetensors", "scale": 1.0}]
            keys = [{"t": 0, "v": 0}, {"t": 2, "v": 1}]
            document["ext"] = {"schema": 1, "schedules": {"lora_scale.style": keys}}
        file = write_timeline(self.folder / "shot.json", document)
        chosen = make_options(width=64, height=64, mode="text", **options)
        loaded = load_timeline(file, lora_folders=(self.folder / "loras",)).require()
        plan = plan_render(loaded, chosen, self.preset)
        request = RenderRequest(
            timeline=file, output=self.folder / "a.mkv", options=chosen, preset=self.preset.name
        )
        return self.renderer.render(plan, request, force=True, **how or {})


@pytest.mark.parametrize(
    "name", some("longlive", "krea-realtime-14b", "causvid", without=LONG_MEMBER)
)
def test_all_at_once_goes_on_from_a_save_point(name: str, tmp_path: Path) -> None:
    """VACE with control video and images, a LoRA whose strength moves, and TAE."""
    room = Room(tmp_path, name)
    everything: dict[str, Any] = {
        "vae_type": "tae",
        "control": "control.mp4",
        "last_frame": "face.png",
    }
    whole = room.render(with_lora=True, **everything)
    stop_at = len(whole["plan"]["chunks"]) - 2

    def stop(progress: Progress) -> None:
        if progress.chunk >= stop_at:
            raise StopRender("enough", save=True)

    work = Work(tmp_path / "work", SavePolicy(every_chunks=1))
    with pytest.raises(StopRender):
        room.render(with_lora=True, how={"report": stop, "work": work}, **everything)
    room.renderer = room.open()
    again = room.render(with_lora=True, how={"work": work}, **everything)
    assert again["resumed_at_chunk"] > 0
    assert again["frames_sha256"] == whole["frames_sha256"]


@pytest.mark.parametrize("name", some("krea-realtime-14b"))
def test_each_of_them_changes_the_picture(name: str, tmp_path: Path) -> None:
    room = Room(tmp_path, name)
    choices: list[dict[str, Any]] = [
        *({}, {"vae_type": "lightvae"}, {"vae_type": "lighttae"}, {"with_lora": True}),
        {"quantization": "fp8_e4m3fn", "vae_type": "lightvae"},
        {"quantization": "fp8_e4m3fn", "with_lora": True},
    ]
    if name != LONG_MEMBER:
        choices += [{"control": "control.mp4"}, {"references": ("face.png",)}]
        choices += [{"control": "control.mp4", "quantization": "fp8_e4m3fn"}]
    made = [room.render(**choice, duration=1.2) for choice in choices]
    assert [manifest["quantise"] for manifest in made[3:5]] == [None, "fp8"]
    assert len({manifest["frames_sha256"] for manifest in made}) == len(choices)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("self-forcing", "control.mp4"), ("causal-forcing-framewise", "face.png")],
)
def test_a_control_video_goes_on_behind_a_given_beginning(
    name: str, beginning: str, tmp_path: Path
) -> None:
    room = Room(tmp_path, name)
    given: dict[str, Any] = {"first_frame": beginning, "duration": 1.2}
    steered = room.render(control="control.mp4", **given)
    assert steered["plan"]["chunks"][0]["given_file"] == beginning
    assert steered["frames_sha256"] != room.render(**given)["frames_sha256"]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    room = Room(tmp_path, LONG_MEMBER)
    with pytest.raises(ConfigError, match="has no VACE"):
        room.render(control="control.mp4")
    assert room.render(with_lora=True, vae_type="tae")["num_frames"] == 36


def test_kreas_branch_has_a_block_for_every_fifth() -> None:
    preset = load_preset("krea-realtime-14b")
    assert preset.dit.num_vace_blocks == 8  # of Wan2.1 VACE 14B: blocks 0, 5, ... 35
    assert load_preset("longlive").dit.num_vace_blocks == 15
    assert load_preset("krea-realtime-14b-tiny").dit.vace_stride == 5
