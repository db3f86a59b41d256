"""The blocks of the Stream-VAE: norm, residual block, attention, and changes of size.

Clips are ``[B, T, H, W, C]``. Parameter names are those of ``Wan2.1_VAE.pth``.

Source: sdv2: models/wan/wan_base/modules/vae.py; scope: src/scope/core/pipelines/wan2_1/vae
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.vae.causal_conv import CausalConv3d, by_frame

_LEAST_NORM = 1e-24  # squared, over channels; a vector of zeros stays zeros


class ChannelRMSNorm(nn.Module):
    """Divide by the norm over channels; ``gamma`` has one axis per axis of a clip or a frame."""

    def __init__(self, dim: int, frame_only: bool = False) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim, 1, 1) if frame_only else torch.ones(dim, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.gamma.flatten(), _LEAST_NORM)

    def write_activated(self, x: Tensor, room: Tensor) -> None:
        """Write the norm of ``x`` after a SiLU into ``room``; shapes agree."""
        normed = self(x)
        if torch.is_grad_enabled():
            room.copy_(functional.silu(normed))
        else:
            torch.ops.aten.silu.out(normed, out=room)


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            ChannelRMSNorm(in_dim),
            nn.SiLU(),
            CausalConv3d(in_dim, out_dim, 3, padding=1),
            ChannelRMSNorm(out_dim),
            nn.SiLU(),
            nn.Identity(),  # the reference's dropout, kept for the numbering of the keys
            CausalConv3d(out_dim, out_dim, 3, padding=1),
        )
        self.shortcut = CausalConv3d(in_dim, out_dim, 1) if in_dim != out_dim else None

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x, cache)
        norm1, _, conv1, norm2, _, _, conv2 = self.residual
        y = convolve_activated(norm1, conv1, x, cache)
        return convolve_activated(norm2, conv2, y, cache).add_(shortcut)


class AttentionBlock(nn.Module):
    """One head over the positions of each frame; frames do not see each other."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = ChannelRMSNorm(dim, frame_only=True)
        self.to_qkv = nn.Conv2d(dim, 3 * dim, 1)
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        qkv = functional.linear(self.norm(x), self.to_qkv.weight.flatten(1), self.to_qkv.bias)
        heads = qkv.flatten(2, 3).flatten(0, 1).unsqueeze(1)  # [B*T, 1, H*W, 3C]
        q, k, v = heads.chunk(3, dim=-1)
        seen = functional.scaled_dot_product_attention(q, k, v).reshape(x.shape)
        out = functional.linear(seen, self.proj.weight.flatten(1), self.proj.bias)
        return out.add_(x)


class Downsample(nn.Module):
    """Halve height and width; with ``temporal`` also halve the frames after the first call."""

    def __init__(self, dim: int, temporal: bool) -> None:
        super().__init__()
        # A zero column to the right and a zero row below, none to the left and above.
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(dim, dim, 3, stride=2))
        self.time_conv = (
            CausalConv3d(dim, dim, (3, 1, 1), (2, 1, 1), history=1) if temporal else None
        )

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        x = by_frame(x, self._halve)
        if self.time_conv is None:
            return x.contiguous()
        if cache.is_first_call:
            self.time_conv.remember(x, cache)
            return x.contiguous()
        return self.time_conv(x, cache)

    def _halve(self, frames: Tensor) -> Tensor:
        """Convolve with two zeros all around, which moves the grid by one; no padded copy is made.

        Shapes: frames: [N, C, H, W]; returns: [N, C, H/2, W/2]
        """
        conv, (height, width) = last_conv(self.resample), frames.shape[-2:]
        y = functional.conv2d(frames, conv.weight, conv.bias, stride=2, padding=2)
        return y[..., 1 : height // 2 + 1, 1 : width // 2 + 1]


class Upsample(nn.Module):
    """Double height and width; with ``temporal`` also double the frames after the first call."""

    def __init__(self, dim: int, temporal: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(dim, dim // 2, 3, padding=1)
        )
        self.time_conv = CausalConv3d(dim, 2 * dim, (3, 1, 1)) if temporal else None
        self._doubling: tuple[tuple[object, ...], Tensor, Tensor] | None = None

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        # The stream's first frame stays single and never enters the history of the convolution.
        if self.time_conv is not None and not cache.is_first_call:
            pairs = self.time_conv(x, cache).unflatten(-1, (2, -1))  # [B, T, H, W, 2, C]
            x = pairs.permute(0, 1, 4, 2, 3, 5).flatten(1, 2)  # [B, 2T, H, W, C]
        double = partial(
            functional.conv_transpose2d,
            weight=self._doubling_kernel(),
            bias=last_conv(self.resample).bias,
            stride=2,
            padding=1,
        )
        return by_frame(x, double)

    def _doubling_kernel(self) -> Tensor:
        """Return ``doubling_kernel`` of the weight, made once as long as the weight stays."""
        weight = last_conv(self.resample).weight
        if torch.is_grad_enabled():
            return doubling_kernel(weight)
        version = None if weight.is_inference() else weight._version
        made_of = (id(weight), version, weight.data_ptr(), weight.dtype, weight.device)
        if self._doubling is None or self._doubling[0] != made_of:
            self._doubling = made_of, doubling_kernel(weight), weight  # kept, so its id stays its
        return self._doubling[1]


def last_conv(layers: nn.Sequential) -> nn.Conv2d:
    conv = layers[-1]
    assert isinstance(conv, nn.Conv2d)
    return conv


def doubling_kernel(weight: Tensor) -> Tensor:
    """Return the transposed convolution that doubles a picture and convolves it at once.

    With stride 2 and padding 1 it equals doubling to the nearest pixel before a 3x3 convolution
    with padding 1, at the borders too, and takes 4 products a pixel instead of 9.

    Shapes:
        weight: [C_out, C, 3, 3]
        returns: [C, C_out, 4, 4]
    """
    kernel = weight.float()
    for axis in (2, 3):
        first, middle, last = kernel.unbind(axis)
        kernel = torch.stack((last, middle + last, first + middle, first), axis)
    kernel = kernel.to(weight.dtype).transpose(0, 1)
    return kernel.contiguous(memory_format=torch.channels_last)


def convolve_activated(norm: nn.Module, conv: nn.Module, x: Tensor, cache: FeatureCache) -> Tensor:
    """Run a norm, SiLU and a causal convolution; what this reads is written in place."""
    assert isinstance(norm, ChannelRMSNorm)
    assert isinstance(conv, CausalConv3d)
    return conv(x, cache, partial(norm.write_activated, x))


def middle(dim: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(dim, dim), AttentionBlock(dim), ResidualBlock(dim, dim))


def head(dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(ChannelRMSNorm(dim), nn.SiLU(), CausalConv3d(dim, out_dim, 3, padding=1))
