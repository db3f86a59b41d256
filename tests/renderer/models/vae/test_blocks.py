"""The blocks of the Stream-VAE: each as the plain layers that it stands for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from renders.tiny_models import normal
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.vae.blocks import (
    AttentionBlock,
    ChannelRMSNorm,
    Downsample,
    Upsample,
    doubling_kernel,
)


def channels_first(clip: Tensor) -> Tensor:
    """The frames of a clip: [B, T, H, W, C] -> [B*T, C, H, W]."""
    return clip.flatten(0, 1).movedim(-1, 1)


def test_a_norm_divides_by_the_length_of_the_vector() -> None:
    norm, x = ChannelRMSNorm(4), normal(1, 2, 3, 3, 4)
    norm.gamma.data = normal(4, 1, 1, 1, seed=1)
    x[0, 0, 0, 0] = 0
    length = x.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    torch.testing.assert_close(norm(x), x / length * 2 * norm.gamma.flatten())
    assert not norm(x)[0, 0, 0, 0].any()


@pytest.mark.parametrize("with_gradients", [True, False])
def test_a_norm_is_written_into_its_room_behind_a_silu(with_gradients: bool) -> None:
    norm, x, room = ChannelRMSNorm(4), normal(1, 2, 3, 3, 4), torch.zeros(1, 4, 3, 3, 4)
    with torch.set_grad_enabled(with_gradients):
        norm.write_activated(x, room[:, 2:])
        torch.testing.assert_close(room[:, 2:], functional.silu(norm(x)))
    assert not room[:, :2].any()


@torch.inference_mode()
def test_attention_stays_within_a_frame() -> None:
    block, x = AttentionBlock(8), normal(1, 3, 2, 2, 8)
    alone = [block(x[:, [frame]], FeatureCache()) for frame in range(3)]
    torch.testing.assert_close(block(x, FeatureCache()), torch.cat(alone, dim=1))


@torch.inference_mode()
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (2, 2), (1, 3)], ids=str)
def test_one_transposed_convolution_doubles_and_convolves(size: tuple[int, int]) -> None:
    """At the borders too; the weights are those of the 3x3 convolution, added up."""
    block, x = Upsample(6, temporal=False), normal(2, 3, *size, 6)
    expected = block.resample(channels_first(x))
    actual = channels_first(block(x, FeatureCache()))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_a_doubling_kernel_in_bfloat16_is_the_rounded_one() -> None:
    weight = normal(4, 6, 3, 3).bfloat16()
    assert torch.equal(doubling_kernel(weight), doubling_kernel(weight.float()).bfloat16())


@torch.inference_mode()
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (2, 2), (3, 8)], ids=str)
def test_a_smaller_picture_has_zeros_to_the_right_and_below(size: tuple[int, int]) -> None:
    block, x = Downsample(6, temporal=False), normal(2, 3, *size, 6)
    expected = block.resample(channels_first(x))
    actual = channels_first(block(x, FeatureCache()))
    assert isinstance(block.resample[0], nn.ZeroPad2d)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_a_frame_becomes_two_in_time_unless_it_is_the_first() -> None:
    block, cache = Upsample(4, temporal=True), FeatureCache()
    assert block(normal(1, 1, 2, 2, 4), cache).shape == (1, 1, 4, 4, 2)
    cache.end_call()
    assert block(normal(1, 2, 2, 2, 4), cache).shape == (1, 4, 4, 4, 2)
