"""Random networks have the shapes of real ones, and the constants."""

from __future__ import annotations

import torch

from rushes.bench.random_networks import random_models
from rushes.models.stream_vae import LATENT_MEAN, StreamVAE
from rushes.presets.preset import load_preset


def test_networks_are_those_of_the_preset_with_fewer_blocks() -> None:
    preset = load_preset("tiny")
    models = random_models(preset, torch.device("cpu"), torch.bfloat16, num_blocks=1)
    assert len(models.dit.blocks) == 1
    assert models.dit.config.dim == preset.dit.dim
    assert models.dit.patch_embedding.weight.dtype == torch.bfloat16
    assert models.dit.patch_embedding.weight.std() > 0
    assert isinstance(models.vae, StreamVAE)
    torch.testing.assert_close(
        models.vae.latent_mean.float(), torch.tensor(LATENT_MEAN), atol=0.01, rtol=0.01
    )
