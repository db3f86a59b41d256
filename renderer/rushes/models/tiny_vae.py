"""The tiny autoencoders, TAE and LightTAE: convolutions in two dimensions that remember a frame.

Time lies in the batch axis. What a memory block knows of the past is its own input of the frame
before; across chunks that frame lies in a ``FeatureCache``, one per stream and direction, as for
the Stream-VAE. Parameter names are those of ``taew2_1.pth`` and ``lighttaew2_1.pth``.

Source: madebyollin/taehv: taehv.py; scope: src/scope/core/pipelines/wan2_1/vae/tae.py
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.stream_vae import LATENT_MEAN, LATENT_STD

_NUM_MEMORIES = 3  # memory blocks of each stage


@dataclass(frozen=True)
class TinyVaeConfig:
    """Sizes of the tree.

    ``raw_latents``: the network's latents are as Wan's encoder leaves them (LightTAE), else with
    unit variance, as the DiT denoises them (TAE). A stage whose upscaling is off makes previews.
    """

    encoder_channels: int = 64
    decoder_channels: tuple[int, int, int, int] = (256, 128, 64, 64)
    latent_channels: int = 16
    pool_strides: tuple[int, int, int] = (2, 2, 1)
    time_upscale: tuple[bool, bool] = (True, True)
    space_upscale: tuple[bool, bool, bool] = (True, True, True)
    raw_latents: bool = False
    latent_mean: tuple[float, ...] = LATENT_MEAN
    latent_std: tuple[float, ...] = LATENT_STD


class MemBlock(nn.Module):
    """Three convolutions over a frame and the one before it, around a shortcut."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            conv3x3(2 * in_dim, out_dim),
            nn.ReLU(),
            conv3x3(out_dim, out_dim),
            nn.ReLU(),
            conv3x3(out_dim, out_dim),
        )
        is_plain = in_dim == out_dim
        self.skip = nn.Identity() if is_plain else nn.Conv2d(in_dim, out_dim, 1, bias=False)
        self.slot = -1

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        """Shapes: x, past: [B*T, C, H, W]."""
        return (self.conv(torch.cat((x, past), dim=1)) + self.skip(x)).relu()


class TPool(nn.Module):
    """Join ``stride`` consecutive frames into one."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(stride * dim, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.reshape(-1, self.stride * x.shape[1], *x.shape[2:]))  # [B*T/s, C, H, W]


class TGrow(nn.Module):
    """Make ``stride`` consecutive frames of one."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.dim = dim
        self.conv = nn.Conv2d(dim, stride * dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).reshape(-1, self.dim, *x.shape[2:])  # [B*T*s, C, H, W]


class SoftClamp(nn.Module):
    """Hold values within -3 and 3."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


class TinyVAE(nn.Module):
    """Encoder and decoder, with the constants between their latents and the DiT's.

    Streaming as in the Stream-VAE: ``encode`` and ``decode`` take the cache of their stream.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: TinyVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _encoder(config)
        self.decoder = _decoder(config)
        for half in (self.encoder, self.decoder):
            memories = [layer for layer in half if isinstance(layer, MemBlock)]
            for slot, memory in enumerate(memories):
                memory.slot = slot
        self.group = config.pool_strides[0] * config.pool_strides[1] * config.pool_strides[2]
        self.frames_to_trim = 2 ** sum(config.time_upscale) - 1
        for name, values in (("mean", config.latent_mean), ("std", config.latent_std)):
            constant = torch.tensor(values, device="cpu").view(1, 1, -1, 1, 1)
            self.register_buffer(f"latent_{name}", constant, persistent=False)

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode the next frames of a stream; ``normalise`` makes unit variance of the latents.

        A chunk that does not fill its last group of four is filled up with its last frame, which
        the memories keep, as in scope. So a first chunk of 5 frames has 2 latents, like Wan's, but
        where a clip is cut changes its latents a little.

        Shapes:
            pixels: [B, T_px, 3, H, W] in [-1, 1]
            returns: [B, T_lat, C, H/8, W/8], T_lat = ceil(T_px / 4)
        Raises: ShapeError for a chunk without frames or another size than the stream has.
        """
        cache.check_size(pixels.shape[-2:])
        missing = -pixels.shape[1] % self.group
        if pixels.shape[1] == 0:
            raise ShapeError("a chunk of 0 frames cannot be encoded; it must have at least one")
        x = torch.cat((pixels, *[pixels[:, -1:]] * missing), dim=1) / 2 + 0.5
        latents = [self._run(self.encoder, part, cache) for part in x.split(self.group, dim=1)]
        joined = torch.cat(latents, dim=1)
        if normalise and self.config.raw_latents:
            joined = (joined - self.latent_mean) / self.latent_std
        elif not normalise and not self.config.raw_latents:
            joined = joined * self.latent_std + self.latent_mean
        return joined.to(pixels.dtype)

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode the next latent frames of a stream.

        Shapes:
            latents: [B, T_lat, C, h, w], of unit variance
            returns: [B, T_px, 3, 8h, 8w] within -1 and 1; T_px = 4 * T_lat, 3 less at the start
        Raises: ShapeError for another size than the stream has.
        """
        trim = self.frames_to_trim if cache.is_first_call else 0
        return self.decode_untrimmed(latents, cache)[:, trim:]

    def decode_untrimmed(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode as ``decode``, with the frames before the first one; shapes as there."""
        cache.check_size(latents.shape[-2:])
        x = latents
        if self.config.raw_latents:
            x = (x * self.latent_std + self.latent_mean).to(latents.dtype)
        frames = [self._run(self.decoder, frame, cache) for frame in x.split(1, dim=1)]
        return torch.cat(frames, dim=1).clamp(0, 1) * 2 - 1

    def _run(self, half: nn.Sequential, frames: Tensor, cache: FeatureCache) -> Tensor:
        """Shapes: frames: [B, T, C, H, W]; returns: the same axes, other sizes."""
        batch = frames.shape[0]
        x = frames.flatten(0, 1)  # [B*T, C, H, W]
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in half:
            if isinstance(layer, MemBlock):
                clips = x.permute(0, 2, 3, 1).unflatten(0, (batch, -1))  # [B, T, H, W, C]
                joined = cache.extend(layer.slot, clips, 1)  # [B, 1+T, H, W, C]
                x = layer(x, joined[:, :-1].flatten(0, 1).permute(0, 3, 1, 2))
                cache.keep(layer.slot, joined, 1)
            else:
                x = layer(x)
        cache.end_call()
        return x.unflatten(0, (batch, -1))


def conv3x3(in_dim: int, out_dim: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(in_dim, out_dim, 3, stride, padding=1, bias=bias)


def _encoder(config: TinyVaeConfig) -> nn.Sequential:
    width = config.encoder_channels
    layers: list[nn.Module] = [conv3x3(3, width), nn.ReLU()]
    for stride in config.pool_strides:
        layers += [TPool(width, stride), conv3x3(width, width, stride=2, bias=False)]
        layers += [MemBlock(width, width) for _ in range(_NUM_MEMORIES)]
    return nn.Sequential(*layers, conv3x3(width, config.latent_channels))


def _decoder(config: TinyVaeConfig) -> nn.Sequential:
    widths = config.decoder_channels
    layers: list[nn.Module] = [
        SoftClamp(),
        conv3x3(config.latent_channels, widths[0]),
        nn.ReLU(),
    ]
    strides = (1, *(2 if grows else 1 for grows in config.time_upscale))
    for level, stride in enumerate(strides):
        width = widths[level]
        layers += [MemBlock(width, width) for _ in range(_NUM_MEMORIES)]
        layers += [
            nn.Upsample(scale_factor=2 if config.space_upscale[level] else 1),
            TGrow(width, stride),
            conv3x3(width, widths[level + 1], bias=False),
        ]
    return nn.Sequential(*layers, nn.ReLU(), conv3x3(widths[-1], 3))
