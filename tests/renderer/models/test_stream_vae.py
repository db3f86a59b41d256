"""The Stream-VAE: where a video is cut changes nothing; names, counts and memory are the public."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from checkout import ROOT
from renders.tiny_models import VAE, normal, shared_vae, tiny_vae
from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.stream_vae import LATENT_MEAN, LATENT_STD, StreamVAE, VaeConfig
from rushes.models.vae.causal_conv import CausalConv3d, number_slots

HEIGHT, WIDTH = 16, 24
FRAME_CUTS = [[13], [1, 12], [1, 4, 8], [5, 8], [9, 4], [5, 4, 4], [1, 4, 4, 4]]
LATENT_CUTS = [[4], [1, 3], [2, 2], [2, 1, 1], [1, 1, 1, 1]]
frame_cuts = pytest.mark.parametrize("sizes", FRAME_CUTS, ids=str)
latent_cuts = pytest.mark.parametrize("sizes", LATENT_CUTS, ids=str)


@pytest.fixture(scope="module")
def vae() -> StreamVAE:
    return shared_vae()


def video(num_frames: int = 13, seed: int = 0, height: int = HEIGHT) -> Tensor:
    return normal(1, num_frames, 3, height, WIDTH, seed=seed).clamp(-1, 1)


def latents_of(num_latents: int = 4, seed: int = 0) -> Tensor:
    return normal(1, num_latents, VAE.latent_channels, HEIGHT // 8, WIDTH // 8, seed=seed)


@torch.inference_mode()
def encode(vae: StreamVAE, pixels: Tensor, cache: FeatureCache | None = None) -> Tensor:
    return vae.encode(pixels, FeatureCache() if cache is None else cache, normalise=False)


@torch.inference_mode()
def decode(vae: StreamVAE, latents: Tensor, cache: FeatureCache | None = None) -> Tensor:
    return vae.decode(latents, FeatureCache() if cache is None else cache)


# --- streams -------------------------------------------------------------------------------------


@frame_cuts
def test_where_a_video_is_cut_does_not_change_its_latents(vae: StreamVAE, sizes: list[int]) -> None:
    cache = FeatureCache()
    pieces = [encode(vae, part, cache) for part in video().split(sizes, dim=1)]
    assert [piece.shape[1] for piece in pieces] == [(size + 3) // 4 for size in sizes]
    torch.testing.assert_close(torch.cat(pieces, dim=1), encode(vae, video()))


@latent_cuts
def test_where_latents_are_cut_does_not_change_their_frames(
    vae: StreamVAE, sizes: list[int]
) -> None:
    cache = FeatureCache()
    pieces = [decode(vae, part, cache) for part in latents_of().split(sizes, dim=1)]
    assert [piece.shape[1] for piece in pieces] == [4 * sizes[0] - 3, *(4 * n for n in sizes[1:])]
    torch.testing.assert_close(torch.cat(pieces, dim=1), decode(vae, latents_of()))


@torch.inference_mode()
def test_several_groups_of_frames_in_one_pass_are_the_same(vae: StreamVAE) -> None:
    """The networks themselves do not depend on how much they are given at a time."""
    x, z = video().movedim(2, -1), latents_of().movedim(2, -1)  # [B, T, H, W, C]
    for network, whole, sizes in ((vae.encoder, x, [1, 4, 4, 4]), (vae.decoder, z, [1, 1, 1, 1])):
        outputs = []
        for cut in (sizes, [sizes[0], sum(sizes[1:])]):
            cache = FeatureCache()
            parts = [network(part, cache) for part in whole.split(cut, dim=1)]
            outputs.append(torch.cat(parts, dim=1))
        torch.testing.assert_close(*outputs)


def test_streams_that_take_turns_stay_apart(vae: StreamVAE) -> None:
    caches = [FeatureCache(), FeatureCache()]
    clips = [video(seed=1), video(seed=2)]
    pieces: list[list[Tensor]] = [[], []]
    for begin, end in ((0, 5), (5, 9), (9, 13)):
        for cache, clip, found in zip(caches, clips, pieces, strict=True):
            found.append(encode(vae, clip[:, begin:end], cache))
    for clip, found in zip(clips, pieces, strict=True):
        torch.testing.assert_close(torch.cat(found, dim=1), encode(vae, clip))


def test_a_whole_clip_in_mid_stream_leaves_the_stream_alone(vae: StreamVAE) -> None:
    cache = FeatureCache()
    first = encode(vae, video()[:, :5], cache)
    encode(vae, video(9, seed=3))
    rest = encode(vae, video()[:, 5:], cache)
    torch.testing.assert_close(torch.cat((first, rest), dim=1), encode(vae, video()))


def test_a_reset_stream_starts_afresh(vae: StreamVAE) -> None:
    encoder, decoder = FeatureCache(), FeatureCache()
    for _ in range(2):
        assert torch.equal(encode(vae, video(5), encoder), encode(vae, video(5)))
        assert torch.equal(decode(vae, latents_of(2), decoder), decode(vae, latents_of(2)))
        encoder.reset()
        decoder.reset()


def test_a_later_frame_changes_no_earlier_latent(vae: StreamVAE) -> None:
    changed = video()
    changed[:, 9:] = video(4, seed=9)
    assert torch.equal(encode(vae, changed)[:, :3], encode(vae, video())[:, :3])


def test_clips_of_a_batch_do_not_influence_each_other(vae: StreamVAE) -> None:
    clips = [video(5, seed=1), video(5, seed=2)]
    together = encode(vae, torch.cat(clips))
    torch.testing.assert_close(together, torch.cat([encode(vae, clip) for clip in clips]))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("num_frames", [0, 2, 3, 4, 6, 7, 8])
def test_a_stream_starts_with_one_frame_and_groups_of_four(vae: StreamVAE, num_frames: int) -> None:
    with pytest.raises(ShapeError, match=rf"{num_frames} frames cannot be encoded.*1 \+ 4n"):
        encode(vae, video(num_frames))


@pytest.mark.parametrize("num_frames", [0, 1, 2, 3, 5, 6])
def test_a_stream_goes_on_with_groups_of_four(vae: StreamVAE, num_frames: int) -> None:
    cache = FeatureCache()
    encode(vae, video(5), cache)
    with pytest.raises(ShapeError, match=f"{num_frames} frames cannot be encoded.*4n"):
        encode(vae, video(num_frames), cache)


def test_a_size_that_changes_in_mid_stream_is_refused(vae: StreamVAE) -> None:
    encoder, decoder = FeatureCache(), FeatureCache()
    encode(vae, video(5), encoder)
    with pytest.raises(ShapeError, match="size changed"):
        encode(vae, video(4, height=32), encoder)
    decode(vae, latents_of(), decoder)
    with pytest.raises(ShapeError, match="size changed"):
        decode(vae, latents_of().transpose(-1, -2), decoder)


# --- constants -----------------------------------------------------------------------------------


@torch.inference_mode()
def test_normalised_latents_differ_by_the_constants_alone(vae: StreamVAE) -> None:
    mean, std = (torch.tensor(values).view(1, 1, -1, 1, 1) for values in (LATENT_MEAN, LATENT_STD))
    normalised = vae.encode(video(5), FeatureCache(), normalise=True)
    torch.testing.assert_close(normalised * std + mean, encode(vae, video(5)))


def test_decoding_always_undoes_a_normalisation(vae: StreamVAE) -> None:
    neutral = replace(VAE, latent_mean=(0.0,) * 16, latent_std=(1.0,) * 16)
    mean, std = (torch.tensor(values).view(1, 1, -1, 1, 1) for values in (LATENT_MEAN, LATENT_STD))
    expected = decode(tiny_vae(neutral), latents_of() * std + mean)
    torch.testing.assert_close(decode(vae, latents_of()), expected)


def test_real_latents_are_of_unit_variance_once_they_are_normalised(vae: StreamVAE) -> None:
    """Those of the file are; brought back to what an encoder leaves they spread by 1 to 4."""
    file = (
        Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data"))
        / "wan_latents_real.safetensors"
    )
    if not file.exists():
        pytest.skip(f"{file} is not there; set DATA_DIR to the folder of the test data")
    published = load_file(file)["latents"].float().movedim(1, -1)  # [B, T, h, w, C]
    raw = vae.denormalise(published)
    normalised = vae.normalise(raw)
    torch.testing.assert_close(normalised, published, rtol=1e-5, atol=1e-5)
    spread = normalised.std(dim=(0, 1, 2, 3))
    assert ((spread > 0.6) & (spread < 1.21)).all()
    assert not ((raw.std(dim=(0, 1, 2, 3)) > 0.6) & (raw.std(dim=(0, 1, 2, 3)) < 1.21)).all()


# --- weights in memory ----------------------------------------------------------------------------


def test_weights_that_are_laid_out_anew_give_the_same_pictures(vae: StreamVAE) -> None:
    arranged = tiny_vae()
    arranged.arrange_weights()
    for name, weight in vae.state_dict().items():
        assert torch.equal(arranged.state_dict()[name], weight)
    assert torch.equal(encode(arranged, video()), encode(vae, video()))
    assert torch.equal(decode(arranged, latents_of()), decode(vae, latents_of()))


def test_an_arranged_weight_is_read_where_it_lies() -> None:
    vae = tiny_vae()
    vae.arrange_weights()
    for conv in vae.modules():
        if isinstance(conv, CausalConv3d) and conv.history:
            by_taps = conv.weight.transpose(1, 2).flatten(1, 2)
            assert by_taps.data_ptr() == conv.weight.data_ptr()


def test_a_weight_that_changes_changes_the_pictures() -> None:
    """What is made of a weight once is made again when the weight is another."""
    vae, other = tiny_vae(), tiny_vae(seed=1)
    before = decode(vae, latents_of())
    vae.load_state_dict(other.state_dict())
    after = decode(vae, latents_of())
    assert not torch.equal(before, after)
    assert torch.equal(after, decode(other, latents_of()))


def test_gradients_reach_every_weight_through_several_chunks() -> None:
    vae = tiny_vae()
    vae.requires_grad_(True)
    cache, decoder = FeatureCache(), FeatureCache()
    latents = [vae.encode(part, cache, normalise=True) for part in video().split([5, 4, 4], dim=1)]
    decoded = [vae.decode(part, decoder) for part in latents]
    torch.cat(decoded, dim=1).square().mean().backward()
    without = [name for name, weight in vae.named_parameters() if weight.grad is None]
    assert not without
    assert vae.encoder.conv1.weight.grad is not None
    assert vae.encoder.conv1.weight.grad.any()


# --- names, counts and memory of the public network ----------------------------------------------


def build_on_meta(config: VaeConfig) -> StreamVAE:
    with torch.device("meta"):
        return StreamVAE(config)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("dim", "num_parameters"), [(96, 126_892_531), (24, 8_035_003)], ids=["Wan VAE", "LightVAE"]
)
def test_weights_are_as_many_as_in_the_public_files(dim: int, num_parameters: int) -> None:
    vae = build_on_meta(VaeConfig(dim=dim))
    assert len(vae.state_dict()) == 194
    assert count(vae) == num_parameters


def test_the_parts_of_the_public_network_have_their_sizes() -> None:
    vae = build_on_meta(VaeConfig())
    parts = [count(part) for part in (vae.encoder, vae.decoder, vae.conv1, vae.conv2)]
    assert parts == [53_595_872, 73_295_331, 1056, 272]
    assert [number_slots(vae.encoder), number_slots(vae.decoder)] == [24, 32]


@pytest.mark.parametrize(
    ("name", "shape"),
    {
        "encoder.conv1.weight": (96, 3, 3, 3, 3),
        "encoder.downsamples.2.resample.1.weight": (96, 96, 3, 3),
        "encoder.downsamples.3.shortcut.weight": (192, 96, 1, 1, 1),
        "encoder.downsamples.5.time_conv.weight": (192, 192, 3, 1, 1),
        "encoder.downsamples.6.residual.2.weight": (384, 192, 3, 3, 3),
        "encoder.middle.1.norm.gamma": (384, 1, 1),
        "encoder.middle.1.to_qkv.weight": (1152, 384, 1, 1),
        "encoder.head.2.weight": (32, 384, 3, 3, 3),
        "conv1.weight": (32, 32, 1, 1, 1),
        "conv2.weight": (16, 16, 1, 1, 1),
        "decoder.conv1.weight": (384, 16, 3, 3, 3),
        "decoder.middle.0.residual.0.gamma": (384, 1, 1, 1),
        "decoder.upsamples.3.time_conv.weight": (768, 384, 3, 1, 1),
        "decoder.upsamples.3.resample.1.weight": (192, 384, 3, 3),
        "decoder.upsamples.4.shortcut.weight": (384, 192, 1, 1, 1),
        "decoder.upsamples.7.resample.1.weight": (192, 384, 3, 3),
        "decoder.upsamples.11.resample.1.weight": (96, 192, 3, 3),
        "decoder.upsamples.14.residual.6.weight": (96, 96, 3, 3, 3),
        "decoder.head.2.bias": (3,),
    }.items(),
)
def test_a_weight_of_the_public_file_has_its_place(name: str, shape: tuple[int, ...]) -> None:
    assert build_on_meta(VaeConfig()).state_dict()[name].shape == shape


@pytest.mark.parametrize("dim", [4, 8])
def test_a_running_stream_remembers_as_much_as_was_foretold(dim: int) -> None:
    """Numbers a pixel, for width c: 6 + 14.5625 c to encode, 0.5 + 24.625 c to decode."""
    vae, encoder, decoder = tiny_vae(VaeConfig(dim=dim)), FeatureCache(), FeatureCache()
    encode(vae, video(5), encoder)
    decode(vae, latents_of(3), decoder)
    pixels = HEIGHT * WIDTH
    sizes = [sum(slot.numel() for slot in cache.slots.values()) for cache in (encoder, decoder)]
    assert sizes == [pixels * (6 + 14.5625 * dim), pixels * (0.5 + 24.625 * dim)]


def test_chunks_are_written_to_the_same_addresses() -> None:
    """As CUDA graphs need it: after the first group of frames no buffer is made, not by a reset."""
    vae, encoder, decoder = tiny_vae(), FeatureCache(), FeatureCache()
    encode(vae, video(5), encoder)
    decode(vae, latents_of(2), decoder)
    addresses = [[slot.data_ptr() for slot in c.slots.values()] for c in (encoder, decoder)]
    for _ in range(2):
        encode(vae, video(4), encoder)
        decode(vae, latents_of(1), decoder)
    encoder.reset()
    decoder.reset()
    encode(vae, video(5), encoder)
    decode(vae, latents_of(2), decoder)
    assert addresses == [[slot.data_ptr() for slot in c.slots.values()] for c in (encoder, decoder)]


@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_restored_stream_goes_on_as_the_saved_one(vae: StreamVAE, at: int) -> None:
    saved, restored = FeatureCache(), FeatureCache()
    encode(vae, video()[:, :at], saved)
    restored.restore(saved.snapshot())
    rest = encode(vae, video()[:, at:], saved)
    assert torch.equal(encode(vae, video()[:, at:], restored), rest)


def test_caches_that_keep_no_room_give_the_same_pictures(vae: StreamVAE) -> None:
    lean = tiny_vae()
    lean.keeps_room = False
    encoders, decoders = [FeatureCache(), FeatureCache()], [FeatureCache(), FeatureCache()]
    for part in video().split([5, 4, 4], dim=1):
        found = [encode(*each) for each in zip((vae, lean), (part, part), encoders, strict=True)]
        assert torch.equal(*found)
        found = [decode(*each) for each in zip((vae, lean), found, decoders, strict=True)]
        assert torch.equal(*found)
    assert encoders[1].num_bytes == decoders[1].num_bytes == 0
