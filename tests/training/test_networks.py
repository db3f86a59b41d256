"""The files of the pocket preset."""

from __future__ import annotations

from pathlib import Path

import torch

from renders.tiny_models import normal, tiny_vae
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.presets.preset import load_preset
from rushes.weights.networks import WeightPaths, load_models, load_text_encoder
from rushes_training.networks import centre_latents, export, new_dit, new_vae
from rushes_training.train_vae import begin_as_a_pyramid

CPU = torch.device("cpu")


def test_centred_latents_have_mean_zero_and_size_one_and_decode_as_before() -> None:
    vae = tiny_vae(seed=3)
    clips = normal(3, 5, 3, 32, 32)
    before = vae.decode(vae.encode(clips, FeatureCache(), True), FeatureCache())
    centre_latents(vae, clips)
    latents = vae.encode(clips, FeatureCache(), True)
    torch.testing.assert_close(latents.mean(dim=(0, 1, 3, 4)), torch.zeros(16), rtol=0, atol=1e-4)
    assert abs(latents.square().mean().item() - 1) < 1e-3
    after = vae.decode(latents, FeatureCache())
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_vae_that_begins_as_a_pyramid_lets_pictures_through() -> None:
    """Before any training the decoded picture already moves when the input does."""
    torch.manual_seed(0)
    vae = StreamVAE(VaeConfig(dim=8, num_res_blocks=1))
    begin_as_a_pyramid(vae)
    bright = torch.full((1, 5, 3, 32, 32), 0.5)
    decoded = [
        vae.decode(vae.encode(clip, FeatureCache(), True), FeatureCache())
        for clip in (bright, -bright)
    ]
    assert (decoded[0] - decoded[1]).abs().mean() > 0.05


def test_the_exported_files_load_strictly_like_public_ones(tmp_path: Path) -> None:
    preset = load_preset("pocket")
    vae, dit = new_vae(preset, seed=0), new_dit(preset, seed=0)
    export(preset, tmp_path, vae, dit)
    names = preset.weights
    paths = WeightPaths(
        dit=tmp_path / names.dit[0],
        vae=tmp_path / names.vae[0],
        text_encoder=tmp_path / names.text_encoder[0],
        tokenizer=tmp_path / names.tokenizer[0],
    )
    models = load_models(preset, paths, CPU, torch.float32)
    torch.testing.assert_close(models.dit.head.head.weight, dit.head.head.weight)
    encoder = load_text_encoder(preset, paths, CPU, torch.float32)
    assert encoder.encode(["a ginger cat"]).shape == (1, preset.dit.text_len, preset.dit.text_dim)
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors")) < 24_000_000
