"""The tiny autoencoders: cuts of a stream, save points, latent scales, names and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal, seeded
from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.checkpoint import load_strictly
from rushes.models.tiny_vae import TinyVAE, TinyVaeConfig
from rushes.weights.random_weights import random_tiny_vae

CONFIG = TinyVaeConfig(encoder_channels=4, decoder_channels=(16, 8, 4, 4))
HEIGHT, WIDTH = 16, 24


def tiny_vae(config: TinyVaeConfig = CONFIG) -> TinyVAE:
    with torch.device("meta"):
        vae = TinyVAE(config)
    load_strictly(vae, random_tiny_vae(config, seeded()), "random weights")
    return vae.eval()


@pytest.fixture(scope="module")
def vae() -> TinyVAE:
    return tiny_vae()


def video(num_frames: int) -> Tensor:
    return normal(1, num_frames, 3, HEIGHT, WIDTH).clamp(-1, 1)


def latents_of(num_latents: int) -> Tensor:
    return normal(1, num_latents, 16, HEIGHT // 8, WIDTH // 8)


def test_the_public_sizes_have_the_public_counts() -> None:
    with torch.device("meta"):
        state = TinyVAE(TinyVaeConfig()).state_dict()
    halves = {
        half: sum(tensor.numel() for name, tensor in state.items() if name.startswith(half))
        for half in ("encoder", "decoder")
    }
    assert len(state) == 128
    assert halves == {"encoder": 1_470_928, "decoder": 9_844_611}
    names = ("encoder.4.conv.0.weight", "encoder.2.conv.weight", "encoder.3.weight")
    assert {*names, "decoder.13.conv.weight"} <= state.keys()


@pytest.mark.parametrize("sizes", [[4], [1, 3], [2, 1, 1], [1, 1, 1, 1]], ids=str)
@torch.inference_mode()
def test_where_latents_are_cut_does_not_change_the_frames(vae: TinyVAE, sizes: list[int]) -> None:
    cache = FeatureCache()
    pieces = [vae.decode(part, cache) for part in latents_of(4).split(sizes, dim=1)]
    assert pieces[0].shape[1] == 4 * sizes[0] - 3
    whole = vae.decode(latents_of(4), FeatureCache())
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [[12], [4, 8], [4, 4, 4]], ids=str)
@torch.inference_mode()
def test_where_whole_groups_are_cut_does_not_change_the_latents(
    vae: TinyVAE, sizes: list[int]
) -> None:
    cache = FeatureCache()
    pieces = [vae.encode(part, cache, True) for part in video(12).split(sizes, dim=1)]
    whole = vae.encode(video(12), FeatureCache(), True)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("num_frames", "num_latents"), [(1, 1), (5, 2), (9, 3)])
@torch.inference_mode()
def test_a_first_chunk_has_as_many_latents_as_in_the_wan_vae(
    vae: TinyVAE, num_frames: int, num_latents: int
) -> None:
    latents = vae.encode(video(num_frames), FeatureCache(), False)
    assert latents.shape == (1, num_latents, 16, HEIGHT // 8, WIDTH // 8)


@torch.inference_mode()
def test_a_stream_goes_on_from_a_snapshot(vae: TinyVAE) -> None:
    cache, restored = FeatureCache(), FeatureCache()
    vae.encode(video(5), cache, True)
    restored.restore(cache.snapshot())
    expected = vae.encode(video(4), cache, True)
    assert torch.equal(vae.encode(video(4), restored, True), expected)


@torch.inference_mode()
def test_latents_of_both_kinds_have_the_scale_that_is_asked_for() -> None:
    tae, light = tiny_vae(), tiny_vae(replace(CONFIG, raw_latents=True))
    raw = [vae.encode(video(5), FeatureCache(), False) for vae in (tae, light)]
    normal_ones = [vae.encode(video(5), FeatureCache(), True) for vae in (tae, light)]
    for unscaled, scaled in zip(raw, normal_ones, strict=True):
        expected = scaled * tae.latent_std + tae.latent_mean
        torch.testing.assert_close(unscaled, expected, rtol=1e-5, atol=1e-5)
    # one network's numbers, read as normalised by TAE and as raw by LightTAE
    torch.testing.assert_close(normal_ones[0], raw[1], rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_later_chunks_are_filled_up_with_their_last_frame_too(vae: TinyVAE) -> None:
    frames = video(10)
    filled, whole = FeatureCache(), FeatureCache()
    vae.encode(frames[:, :5], filled, False)
    later = vae.encode(frames[:, 5:], filled, False)
    padded = [torch.cat((part, *[part[:, -1:]] * 3), dim=1) for part in frames.split(5, dim=1)]
    vae.encode(padded[0], whole, False)
    assert torch.equal(later, vae.encode(padded[1], whole, False))
    assert later.shape[1] == 2


def test_a_chunk_without_frames_is_refused(vae: TinyVAE) -> None:
    with pytest.raises(ShapeError, match="a chunk of 0 frames cannot be encoded"):
        vae.encode(video(0), FeatureCache(), False)


@torch.inference_mode()
def test_another_size_in_mid_stream_is_refused(vae: TinyVAE) -> None:
    cache = FeatureCache()
    vae.decode(latents_of(1), cache)
    with pytest.raises(ShapeError, match="size changed"):
        vae.decode(latents_of(1)[..., :1], cache)
