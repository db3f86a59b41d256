"""LoRAs in whole renders: found, applied, changed over time, recorded, and gone afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from renders.lora_files import write_lora
from renders.shots import block, timeline, write_clip
from renders.studio import Studio
from rushes.errors import CheckpointError, MissingFileError
from rushes.files.hashes import sha256_of
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.render import render
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import Work


@pytest.fixture
def lab(studio: Studio) -> Studio:
    """A studio with two LoRAs, film and ink."""
    folder = studio.folder / "loras"
    write_lora(folder / "film.safetensors")
    write_lora(folder / "ink.safetensors", seed=7)
    pipeline = studio.pipeline
    folders = replace(pipeline.folders, loras=(folder,))
    return Studio(studio.folder, replace(pipeline, folders=folders), lora_folders=(folder,))


def linear_layers(lab: Studio) -> list[tuple[str, nn.Linear]]:
    modules = lab.pipeline.models.dit.named_modules()
    return [(name, module) for name, module in modules if isinstance(module, nn.Linear)]


def lora(name: str, scale: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"id": name, "path": f"C:\\someone\\{name}.safetensors", "scale": scale} | more


def with_loras(*loras: dict[str, Any], **more: Any) -> dict[str, Any]:
    return timeline(loras=list(loras), **more)


RUNNING = {"mergeMode": "runtime_peft"}


@pytest.mark.parametrize("mode", [{}, RUNNING], ids=["merged", "running"])
def test_a_lora_changes_the_picture_for_its_own_render_only(
    mode: dict[str, Any], lab: Studio
) -> None:
    before = lab.frames(timeline())
    weights = {name: layer.weight.clone() for name, layer in linear_layers(lab)}
    film = lab.frames(with_loras(lora("film", **mode)))
    ink = lab.frames(with_loras(lora("ink", **mode)))
    assert not np.array_equal(film, before)
    assert not np.array_equal(ink, film)
    assert np.array_equal(lab.frames(with_loras(lora("film", **mode))), film)
    assert np.array_equal(lab.frames(timeline()), before)
    for name, layer in linear_layers(lab):
        assert torch.equal(layer.weight, weights[name])


@pytest.mark.parametrize("mode", [{}, RUNNING], ids=["merged", "running"])
def test_strength_zero_is_no_lora(mode: dict[str, Any], lab: Studio) -> None:
    without = lab.render(timeline())["frames_sha256"]
    assert lab.render(with_loras(lora("film", 0, **mode)))["frames_sha256"] == without


def test_merged_and_running_loras_do_the_same(lab: Studio) -> None:
    merged = lab.frames(with_loras(lora("film", 0.5), lora("ink", -0.3)))
    mixed = lab.frames(with_loras(lora("film", 0.5, **RUNNING), lora("ink", -0.3)))
    assert np.abs(merged.astype(int) - mixed.astype(int)).max() <= 1


def test_files_are_recorded_by_name_and_hash(lab: Studio) -> None:
    manifest = lab.render(with_loras(lora("film"), lora("ink")))
    folder = lab.folder / "loras"
    for name in ("film.safetensors", "ink.safetensors"):
        assert manifest["sha256"]["weights"][f"lora {name}"] == sha256_of(folder / name)
    assert [entry["name"] for entry in manifest["plan"]["loras"]] == [
        "film.safetensors",
        "ink.safetensors",
    ]


# --- strengths over time -------------------------------------------------------------------------


def schedule(name: str, *keys: tuple[float, float], ease: str = "step") -> dict[str, Any]:
    moments = [{"t": at, "v": value, "ease": ease} for at, value in keys]
    return {"schedules": {f"lora_scale.{name}": moments}}


def test_keyframes_set_the_strength_chunk_by_chunk(lab: Studio) -> None:
    document = with_loras(lora("film"), ext=schedule("film", (0, 0), (0.5, 1)))
    plan, _ = lab.prepare(document)
    assert [chunk.lora_scales for chunk in plan.chunks] == [(0,), (0,), (1,), (1,)]
    assert [chunk.reset for chunk in plan.chunks] == [True, False, False, False]
    assert plan.loras[0].merge_mode == "runtime_peft"
    plain, moving = lab.frames(timeline()), lab.frames(document)
    assert np.array_equal(moving[:9], plain[:9])
    assert not np.array_equal(moving[9:], plain[9:])


def test_a_block_has_strengths_of_its_own(lab: Studio) -> None:
    blocks = (
        block("a boat", 0, 0.5),
        block("a boat", 0.5, 1, ext={"params": {"lora_scale": {"INK.safetensors": 0.25}}}),
    )
    loras = [lora("film"), lora("ink", 2)]
    document = timeline(*blocks, loras=loras, ext={"unit": "seconds"})
    plan, _ = lab.prepare(document)
    assert [chunk.lora_scales for chunk in plan.chunks] == [(1, 2), (1, 2), (1, 0.25), (1, 0.25)]
    assert [entry.merge_mode for entry in plan.loras] == ["permanent_merge", "runtime_peft"]
    assert lab.render(document)["num_frames"] == 16


def test_a_strength_that_never_changes_is_in_no_chunk(lab: Studio) -> None:
    plan, _ = lab.prepare(with_loras(lora("film")))
    assert {chunk.lora_scales for chunk in plan.chunks} == {()}


def test_a_stopped_render_with_moving_strengths_goes_on(lab: Studio) -> None:
    source = write_clip(lab.folder / "clip.mp4")
    ext = schedule("film", (0, 0), (1, 1), ease="linear")
    document = with_loras(lora("film"), lora("ink"), mode="video", ext=ext)
    whole = lab.render(document, "whole.mp4", source=source)
    plan, request = lab.prepare(document, "parts.mp4", source=source)
    work = Work(lab.folder / "work", SavePolicy(every_chunks=1))

    def stop(progress: Progress) -> None:
        if progress.chunk == 2:
            raise StopRender("enough", save=True)

    with pytest.raises(StopRender):
        render(lab.pipeline, plan, request, report=stop, work=work)
    manifest = render(lab.pipeline, plan, request, work=work)
    assert manifest["resumed_at_chunk"] > 0
    assert manifest["frames_sha256"] == whole["frames_sha256"]


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_lora_that_is_gone_is_told_with_where_it_was_looked_for(lab: Studio) -> None:
    plan, request = lab.prepare(with_loras(lora("film"), lora("ink")))
    (lab.folder / "loras" / "film.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"film.safetensors not found; searched .*loras; .*"):
        render(lab.pipeline, plan, request)
    assert not request.output.exists()


def test_another_file_of_the_same_name_is_refused(lab: Studio) -> None:
    plan, request = lab.prepare(with_loras(lora("film")))
    other = replace(plan, loras=(replace(plan.loras[0], sha256="0" * 64),))
    with pytest.raises(CheckpointError, match="is another file than the author's film"):
        render(lab.pipeline, other, request)


@pytest.mark.parametrize(
    ("layers", "says"),
    [(("down_blocks.0.attn",), "of another model"), (("blocks.0.ffn.0",), "another base: blocks")],
)
def test_a_lora_of_another_model_is_refused_and_leaves_no_trace(
    layers: tuple[str, ...], says: str, lab: Studio
) -> None:
    before = lab.frames(timeline())
    write_lora(lab.folder / "loras" / "ink.safetensors", layers=layers)
    with pytest.raises(CheckpointError, match=f"ink.safetensors: is a LoRA .*{says}"):
        lab.render(with_loras(lora("film"), lora("ink")), "refused.mp4")
    assert not (lab.folder / "refused.mp4").exists()
    assert np.array_equal(lab.frames(timeline()), before)


def test_a_pickle_with_code_is_refused(lab: Studio) -> None:
    (lab.folder / "loras" / "film.safetensors").unlink()
    path = lab.folder / "loras" / "film.pt"
    torch.save({"a.lora_A.weight": Path}, path)
    with pytest.raises(CheckpointError, match=f"{path}: holds something else than tensors"):
        lab.render(with_loras(lora("film")))


def test_keys_without_a_place_are_warned_of(lab: Studio) -> None:
    layers = ("blocks.0.self_attn.q", "blocks.9.self_attn.q")
    write_lora(lab.folder / "loras" / "film.safetensors", layers=layers)
    manifest = lab.render(with_loras(lora("film")))
    assert any("film.safetensors: 1 of its keys" in text for text in manifest["warnings"])


def test_loras_reach_the_blocks_of_vace_where_it_is_loaded(lab: Studio) -> None:
    write_clip(lab.folder / "depth.mp4")
    layers = ("blocks.0.self_attn.q", "vace_blocks.0.self_attn.v")
    write_lora(lab.folder / "loras" / "film.safetensors", layers=layers)
    document = with_loras(lora("film"))
    plain = lab.render(document)
    steered = lab.render(document, control="depth.mp4")
    assert any("vace_blocks.0.self_attn.v" in text for text in plain["warnings"])
    assert not any("film.safetensors" in text for text in steered["warnings"])
    write_lora(lab.folder / "loras" / "film.safetensors", layers=layers[:1])
    without = lab.render(document, control="depth.mp4")
    assert without["frames_sha256"] != steered["frames_sha256"]
