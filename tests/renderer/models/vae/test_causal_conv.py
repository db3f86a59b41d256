"""Convolutions in time and space: by taps as by PyTorch, in chunks as at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from renders.tiny_models import normal
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.vae.causal_conv import CausalConv3d, by_frame, convolve_taps, number_slots


@pytest.mark.parametrize("time_stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 1, 1), (2, 3, 3), (4, 1, 1)], ids=str)
@pytest.mark.parametrize("num_frames", [4, 7])
@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
def test_the_convolution_by_taps_equals_the_one_of_pytorch(
    kernel: tuple[int, int, int], time_stride: int, num_frames: int, has_bias: bool
) -> None:
    x, weight = normal(2, num_frames, 5, 6, 3, seed=1), normal(4, 3, *kernel, seed=2)
    bias = normal(4, seed=3) if has_bias else None
    padding = kernel[1] // 2
    expected = functional.conv3d(
        x.movedim(-1, 1), weight, bias, (time_stride, 1, 1), (0, padding, padding)
    )
    actual = convolve_taps(x, weight, bias, time_stride, padding)
    torch.testing.assert_close(actual.movedim(-1, 1), expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_without_taps_the_convolution_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's way through the same layer, computed here."""
    conv, x = CausalConv3d(3, 4, 3, padding=1), normal(2, 4, 6, 5, 3)
    number_slots(conv)
    by_taps = conv(x, FeatureCache())
    monkeypatch.setattr(CausalConv3d, "_goes_by_taps", lambda self, x: False)
    conv.arrange()
    torch.testing.assert_close(conv(x, FeatureCache()), by_taps, rtol=1e-5, atol=1e-5)


def test_what_is_done_to_frames_is_done_to_each_of_a_clip() -> None:
    def left_half(frames: Tensor) -> Tensor:
        assert frames.shape == (6, 2, 4, 8)
        return frames[..., :4]

    clip = normal(2, 3, 4, 8, 2)
    assert torch.equal(by_frame(clip, left_half), clip[:, :, :, :4])
