"""The Stream-VAE: Wan2.1's causal video autoencoder, chunk by chunk.

Eight by eight pixels and four frames become one latent position (the first frame of a stream stands
alone). What a causal convolution has to remember of the frames before a chunk lies in a
``FeatureCache``, one per stream and direction, so that a whole clip and the same clip in chunks
give the same latents. Parameter names are those of ``Wan2.1_VAE.pth``.

Inside, clips are ``[B, T, H, W, C]``; ``encode`` and ``decode`` take and return
``[B, T, C, H, W]``, with channels last in memory.

Source: sdv2: models/wan/wan_base/modules/vae.py; scope: src/scope/core/pipelines/wan2_1/vae
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.vae.blocks import (
    Downsample,
    ResidualBlock,
    Upsample,
    convolve_activated,
    head,
    middle,
)
from rushes.models.vae.causal_conv import CausalConv3d, number_slots

GROUP = 4  # frames that become one latent frame
# Statistics of the latents: sdv2: models/wan/wan_wrapper.py
LATENT_MEAN = (
    *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
    *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
)
LATENT_STD = (
    *(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743),
    *(3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
)


@dataclass(frozen=True)
class VaeConfig:
    """Sizes of the tree; ``dim`` 96 is the public Wan VAE, 24 its pruned form LightVAE."""

    dim: int = 96
    latent_channels: int = 16
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temporal_downsample: tuple[bool, ...] = (False, True, True)
    latent_mean: tuple[float, ...] = LATENT_MEAN
    latent_std: tuple[float, ...] = LATENT_STD


class Encoder(nn.Module):
    """Pixels to latent statistics."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = [config.dim, *(config.dim * m for m in config.multipliers)]
        self.conv1 = CausalConv3d(3, widths[0], 3, padding=1)
        layers: list[nn.Module] = []
        for level, (in_dim, out_dim) in enumerate(pairwise(widths)):
            for index in range(config.num_res_blocks):
                layers.append(ResidualBlock(in_dim if index == 0 else out_dim, out_dim))
            if level < len(config.temporal_downsample):
                layers.append(Downsample(out_dim, config.temporal_downsample[level]))
        self.downsamples = nn.Sequential(*layers)
        self.middle = middle(widths[-1])
        self.head = head(widths[-1], 2 * config.latent_channels)
        number_slots(self)

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        """Shapes: x: [B, T, H, W, 3]; returns: [B, T', H/8, W/8, 2 * latent channels]."""
        x = self.conv1(x, cache)
        for layer in (*self.downsamples, *self.middle):
            x = layer(x, cache)
        x = convolve_activated(self.head[0], self.head[-1], x, cache)
        cache.end_call()
        return x


class Decoder(nn.Module):
    """Latents to pixels."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        multipliers = config.multipliers[::-1]
        temporal = config.temporal_downsample[::-1]
        width = config.dim * multipliers[0]
        self.conv1 = CausalConv3d(config.latent_channels, width, 3, padding=1)
        self.middle = middle(width)
        layers: list[nn.Module] = []
        for level, multiplier in enumerate(multipliers):
            out_dim = config.dim * multiplier
            for _ in range(config.num_res_blocks + 1):
                layers.append(ResidualBlock(width, out_dim))
                width = out_dim
            if level < len(temporal):
                layers.append(Upsample(width, temporal[level]))
                width //= 2
        self.upsamples = nn.Sequential(*layers)
        self.head = head(width, 3)
        number_slots(self)

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        """Shapes: x: [B, T, h, w, latent channels]; returns: [B, T', 8h, 8w, 3]."""
        x = self.conv1(x, cache)
        for layer in (*self.middle, *self.upsamples):
            x = layer(x, cache)
        x = convolve_activated(self.head[0], self.head[-1], x, cache)
        cache.end_call()
        return x


class StreamVAE(nn.Module):
    """Encoder and decoder with the constants between latents as stored and as denoised.

    ``keeps_room``: caches keep the memory that they write chunks into; without it they need a
    third, and more time. The results are the same.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.keeps_room = True
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.conv1 = CausalConv3d(2 * channels, 2 * channels, 1)
        self.conv2 = CausalConv3d(channels, channels, 1)
        self.decoder = Decoder(config)
        for name, values in (("mean", config.latent_mean), ("std", config.latent_std)):
            constant = torch.tensor(values, device="cpu")
            self.register_buffer(f"latent_{name}", constant, persistent=False)

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        """Encode the next frames of a stream; ``normalise`` makes unit variance of the latents.

        StreamDiffusionV2 works on latents that are *not* normalised when they come from its
        encoder, though its decoder always undoes a normalisation; other Wan pipelines normalise.

        Shapes:
            pixels: [B, T_px, 3, H, W] in [-1, 1]; T_px = 1 + 4n at the stream's start, else 4n
            returns: [B, T_lat, C, H/8, W/8], T_lat = ceil(T_px / 4)
        Raises: ShapeError for another number of frames or another size than the stream has.
        """
        x = pixels.permute(0, 1, 3, 4, 2)  # [B, T, H, W, 3]
        self._begin(cache, x)
        groups = [self.encoder(group, cache) for group in split_groups(x, cache.is_first_call)]
        latents = self._mean(_joined(groups))
        if normalise:
            latents = self.normalise(latents)
        return latents.to(pixels.dtype).permute(0, 1, 4, 2, 3).contiguous()

    def _mean(self, statistics: Tensor) -> Tensor:
        """Return the latents, without the variance: [B, T, h, w, 2C] -> [B, T, h, w, C]."""
        wanted, bias = self.config.latent_channels, self.conv1.bias
        assert bias is not None
        return functional.linear(statistics, self.conv1.weight.flatten(1)[:wanted], bias[:wanted])

    def normalise(self, latents: Tensor) -> Tensor:
        """Bring raw latents to unit variance: [B, T, h, w, C]."""
        return (latents - self.latent_mean) * self.latent_std.reciprocal()

    def denormalise(self, latents: Tensor) -> Tensor:
        """Undo ``normalise``; the references keep 1 / std, in the dtype of the latents."""
        return torch.addcdiv(self.latent_mean, latents, self.latent_std.reciprocal())

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode the next latent frames of a stream; the result is not clamped.

        Shapes:
            latents: [B, T_lat, C, h, w]
            returns: [B, T_px, 3, 8h, 8w], T_px = 4 * T_lat, 3 less at the start
        Raises: ShapeError for another size than the stream has.
        """
        x = latents.permute(0, 1, 3, 4, 2)  # [B, T, h, w, C]
        self._begin(cache, x)
        x = self.conv2(self.denormalise(x), cache)
        frames = [self.decoder(frame, cache) for frame in x.split(1, dim=1)]
        return _joined(frames).permute(0, 1, 4, 2, 3)  # [B, T, 3, H, W]

    def _begin(self, cache: FeatureCache, x: Tensor) -> None:
        cache.check_size(x.shape[2:4])
        cache.keeps_room = self.keeps_room

    def arrange_weights(self) -> None:
        """Lay the weights out in memory as this device's convolutions read them."""
        for module in self.modules():
            if isinstance(module, CausalConv3d):
                module.arrange()
            elif isinstance(module, nn.Conv2d):
                weight = module.weight.data
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)


def split_groups(x: Tensor, is_first: bool) -> list[Tensor]:
    """Cut a chunk [B, T, H, W, 3] into the encoder's calls: single first frame, then four each."""
    num_frames = x.shape[1]
    rest = num_frames - 1 if is_first else num_frames
    if rest < 0 or rest % GROUP or num_frames == 0:
        wanted = "1 + 4n" if is_first else "4n"
        raise ShapeError(f"a chunk of {num_frames} frames cannot be encoded; it must have {wanted}")
    sizes = [1] * is_first + [GROUP] * (rest // GROUP)
    return list(x.split(sizes, dim=1))


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
