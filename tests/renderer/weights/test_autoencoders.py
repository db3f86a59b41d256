"""Choosing an autoencoder: by flag, timeline and preset; each renders; wrong files are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from renders.shots import timeline, write_clip
from renders.studio import Studio
from rushes.errors import CheckpointError
from rushes.files.folders import Folders
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.presets.kinds import VAE_TYPES, VaeType
from rushes.presets.preset import load_preset
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes.rendering.render import render
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import Work
from rushes.weights.autoencoders import load_autoencoder
from rushes.weights.networks import find_weights

CPU = torch.device("cpu")
TINY = load_preset("tiny")
every_type = pytest.mark.parametrize("vae_type", VAE_TYPES)


def path_of(pipeline: Pipeline, vae_type: VaeType) -> Path:
    folders = pipeline.folders
    return find_weights(TINY, folders.models, folders.cache, vae_type).vae


@every_type
@pytest.mark.parametrize("mode", ["text", "video"])
def test_every_autoencoder_renders_and_is_named_in_the_manifest(
    mode: str, vae_type: VaeType, studio: Studio
) -> None:
    source = write_clip(studio.folder / "clip.mp4") if mode == "video" else None
    manifest = studio.render(timeline(mode=mode), source=source, vae_type=vae_type)
    assert manifest["num_frames"] == 16
    assert manifest["plan"]["vae_type"] == vae_type
    found = manifest["sha256"]["weights"]["vae"]
    others = [path_of(studio.pipeline, other) for other in VAE_TYPES if other != vae_type]
    assert found not in [studio.pipeline.hash_of(path) for path in others]
    assert found == studio.pipeline.hash_of(path_of(studio.pipeline, vae_type))


def test_autoencoders_take_turns_in_one_process_without_a_trace(studio: Studio) -> None:
    before = studio.frames(timeline())
    for vae_type in ("tae", "lightvae"):
        assert not np.array_equal(studio.frames(timeline(), vae_type=vae_type), before)
    assert np.array_equal(studio.frames(timeline()), before)


@pytest.mark.parametrize(
    ("settings", "options", "chosen"),
    [
        ({}, {}, "lightvae"),
        ({"schemaFieldOverrides": {"vae_type": "tae"}}, {}, "tae"),
        ({"schemaFieldOverrides": {"vae_type": "tae"}}, {"vae_type": "lighttae"}, "lighttae"),
    ],
    ids=["preset", "timeline over preset", "option over timeline"],
)
def test_the_nearest_wish_decides(
    settings: dict[str, Any], options: dict[str, Any], chosen: str, studio: Studio
) -> None:
    preset = TINY.model_copy(update={"vae": TINY.vae.model_copy(update={"type": "lightvae"})})
    pipeline = replace(studio.pipeline, preset=preset)
    plan, _ = Studio(studio.folder, pipeline).prepare(timeline(**settings), **options)
    assert plan.vae_type == chosen


@every_type
def test_a_stopped_render_goes_on_with_every_autoencoder(vae_type: VaeType, studio: Studio) -> None:
    source = write_clip(studio.folder / "clip.mp4")
    document = timeline(mode="video")
    whole = studio.render(document, "whole.mp4", source=source, vae_type=vae_type)
    plan, request = studio.prepare(document, "parts.mp4", source=source, vae_type=vae_type)
    work = Work(studio.folder / "work", SavePolicy(every_chunks=1))

    def stop(progress: Progress) -> None:
        if progress.chunk == 2:
            raise StopRender("enough", save=True)

    with pytest.raises(StopRender):
        render(studio.pipeline, plan, request, report=stop, work=work)
    manifest = render(studio.pipeline, plan, request, work=work)
    assert manifest["resumed_at_chunk"] > 0
    assert manifest["frames_sha256"] == whole["frames_sha256"]


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "held", "says"),
    [
        ("wan", "lightvae", "holds LightVAE, not the Wan VAE"),
        ("lightvae", "wan", "holds the Wan VAE, not LightVAE"),
        ("tae", "wan", "holds the Wan VAE, not TAE"),
        ("lightvae", "lighttae", "holds TAE, not LightVAE"),
    ],
)
def test_a_file_of_another_autoencoder_is_named(
    wanted: VaeType, held: VaeType, says: str, pipeline: Pipeline
) -> None:
    path = path_of(pipeline, held)
    with pytest.raises(CheckpointError, match=f"{path}: {says}.*--vae"):
        load_autoencoder(TINY, path, wanted, CPU, torch.float32)


def test_a_missing_autoencoder_is_told_with_its_names(tmp_path: Path) -> None:
    real = load_preset("streamdiffusionv2-1.3b")
    with pytest.raises(CheckpointError, match=r"vae \(Autoencoders/taew2_1\.pth or"):
        find_weights(real, tmp_path, tmp_path, "tae")


def test_only_the_chosen_autoencoder_must_be_there(tmp_path: Path, folders: Folders) -> None:
    made = find_weights(TINY, folders.models, folders.cache)
    made_tae = find_weights(TINY, folders.models, folders.cache, "tae")
    real = TINY.model_copy(update={"random_weights_seed": None})
    for path in (made.dit, made.text_encoder, made.tokenizer, made_tae.vae):
        names = {*real.weights.dit, *real.weights.text_encoder, *real.weights.tokenizer}
        (name,) = [n for n in {*names, *real.extras.tae} if str(path).endswith(n)]
        link = tmp_path / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    own = Folders(tmp_path, tmp_path / "cache")
    assert load_pipeline(real, own, CPU, torch.float32, "tae").vae_type == "tae"
    with pytest.raises(CheckpointError, match="vae"):
        load_pipeline(real, own, CPU, torch.float32)


def test_the_public_light_vae_has_the_public_counts() -> None:
    with torch.device("meta"):
        state = StreamVAE(VaeConfig(dim=24)).state_dict()
    assert (len(state), sum(tensor.numel() for tensor in state.values())) == (194, 8_035_003)


def test_the_choice_is_in_the_request_of_the_manifest(studio: Studio) -> None:
    studio.render(timeline(), vae_type="tae")
    manifest = json.loads((studio.folder / "out.mp4.json").read_text())
    assert manifest["request"]["plan"]["vae_type"] == "tae"
