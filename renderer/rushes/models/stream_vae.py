"""The Stream-VAE: Wan2.1's causal video autoencoder, chunk by chunk.

Eight by eight pixels and four frames become one latent position (the first frame of a stream stands
alone). What a causal convolution has to remember of the frames before a chunk lies in a
``FeatureCache``, one per stream and direction, so that a whole clip and the same clip in chunks
give the same latents. Parameter names are those of ``Wan2.1_VAE.pth``.

Inside this module videos are ``[B, C, T, H, W]``; ``encode`` and ``decode`` take and return
``[B, T, C, H, W]``.

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

# Where PyTorch's convolution in three dimensions is slow (CPU), or new and partial (Metal).
_WITHOUT_CONV3D = ("cpu", "mps")
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


class CausalConv3d(nn.Conv3d):
    """A convolution that sees frames of the past and present only.

    ``history`` is how many past frames it puts in front of a chunk; a convolution with a history
    owns the ``slot`` of the feature cache that ``number_slots`` gave it.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int = 0,
        history: int | None = None,
    ) -> None:
        super().__init__(in_dim, out_dim, kernel, stride, (0, padding, padding))
        self.history = self.kernel_size[0] - 1 if history is None else history
        self.slot = -1

    def forward(  # type: ignore[override]  # takes the cache besides
        self, x: Tensor, cache: FeatureCache
    ) -> Tensor:
        if self.history:
            x = self.remember(x, cache)
        if x.device.type in _WITHOUT_CONV3D and self.kernel_size[0] > 1:
            return convolve_taps(x, self.weight, self.bias, self.stride[0], self.padding[1])
        return super().forward(x)

    def remember(self, x: Tensor, cache: FeatureCache) -> Tensor:
        """Return the chunk with its history in front; keep its last frames for the next chunk."""
        return cache.extend(self.slot, x, self.history)


def convolve_taps(
    x: Tensor, weight: Tensor, bias: Tensor | None, time_stride: int, padding: int | str
) -> Tensor:
    """Convolve in three dimensions by way of two, the frames under the kernel as more channels.

    On CPUs this is several times faster than PyTorch's own convolution in three dimensions; Metal
    lacks the latter for some dtypes.

    Shapes:
        x: [B, C, T, H, W]
        weight: [C_out, C, K, K_h, K_w]
        returns: [B, C_out, (T - K) // time_stride + 1, H, W] for stride 1 in space
    """
    batch, channels = x.shape[:2]
    taps = weight.shape[2]
    num_frames = (x.shape[2] - taps) // time_stride + 1
    span = time_stride * (num_frames - 1) + 1
    frames = x.new_empty(batch, num_frames, taps, channels, *x.shape[3:])
    for tap in range(taps):
        frames[:, :, tap] = x[:, :, tap : tap + span : time_stride].transpose(1, 2)
    folded = frames.flatten(2, 3).flatten(0, 1)  # [B*T, K*C, H, W]
    flat_weight = weight.transpose(1, 2).flatten(1, 2)  # [C_out, K*C, K_h, K_w]
    return unfold_frames(functional.conv2d(folded, flat_weight, bias, padding=padding), batch)


def number_slots(tree: nn.Module) -> int:
    """Give every temporal convolution below ``tree`` its slot, in execution order; count them."""
    owners = [
        module for module in tree.modules() if isinstance(module, CausalConv3d) and module.history
    ]
    for slot, owner in enumerate(owners):
        owner.slot = slot
    return len(owners)


class ChannelRMSNorm(nn.Module):
    """Divide by the norm over channels; ``gamma`` has one axis per axis of a clip or a frame."""

    def __init__(self, dim: int, frame_only: bool = False) -> None:
        super().__init__()
        self.scale = dim**0.5
        self.gamma = nn.Parameter(torch.ones(dim, 1, 1) if frame_only else torch.ones(dim, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        norm = x.float().square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
        # In this order, as the references round in 16 bits.
        return x / norm.to(x.dtype) * self.scale * self.gamma


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
        return shortcut + run(self.residual, x, cache)


class AttentionBlock(nn.Module):
    """One head over the positions of each frame; frames do not see each other."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = ChannelRMSNorm(dim, frame_only=True)
        self.to_qkv = nn.Conv2d(dim, 3 * dim, 1)
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        frames = fold_frames(x)  # [B*T, C, H, W]
        qkv = self.to_qkv(self.norm(frames)).flatten(2).transpose(1, 2)  # [B*T, H*W, 3C]
        out = functional.scaled_dot_product_attention(*qkv.unsqueeze(1).chunk(3, dim=-1))
        out = out.squeeze(1).transpose(1, 2).reshape(frames.shape)  # [B*T, C, H, W]
        return x + unfold_frames(self.proj(out), x.shape[0])


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
        x = unfold_frames(self.resample(fold_frames(x)), x.shape[0])
        if self.time_conv is None:
            return x
        if cache.is_first_call:
            self.time_conv.remember(x, cache)
            return x
        return self.time_conv(x, cache)


class Upsample(nn.Module):
    """Double height and width; with ``temporal`` also double the frames after the first call."""

    def __init__(self, dim: int, temporal: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(dim, dim // 2, 3, padding=1)
        )
        self.time_conv = CausalConv3d(dim, 2 * dim, (3, 1, 1)) if temporal else None

    def forward(self, x: Tensor, cache: FeatureCache) -> Tensor:
        # The stream's first frame stays single and never enters the history of the convolution.
        if self.time_conv is not None and not cache.is_first_call:
            pairs = self.time_conv(x, cache).unflatten(1, (2, -1))  # [B, 2, C, T, H, W]
            x = pairs.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)  # [B, C, 2T, H, W]
        return unfold_frames(self.resample(fold_frames(x)), x.shape[0])


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
        for part in (self.conv1, self.downsamples, self.middle, self.head):
            x = run(part, x, cache)
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
        for part in (self.conv1, self.middle, self.upsamples, self.head):
            x = run(part, x, cache)
        cache.end_call()
        return x


class StreamVAE(nn.Module):
    """Encoder and decoder with the constants between latents as stored and as denoised."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.conv1 = CausalConv3d(2 * channels, 2 * channels, 1)
        self.conv2 = CausalConv3d(channels, channels, 1)
        self.decoder = Decoder(config)
        shape = (1, channels, 1, 1, 1)
        for name, values in (("mean", config.latent_mean), ("std", config.latent_std)):
            constant = torch.tensor(values, device="cpu").view(shape)
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
        x = pixels.transpose(1, 2)  # [B, 3, T, H, W]
        cache.check_size(x.shape[-2:])
        groups = [self.encoder(group, cache) for group in split_groups(x, cache.is_first_call)]
        latents = self.conv1(torch.cat(groups, dim=2), cache).chunk(2, dim=1)[0]  # the mean
        if normalise:
            latents = self.normalise(latents)
        return latents.to(pixels.dtype).transpose(1, 2)

    def normalise(self, latents: Tensor) -> Tensor:
        """Bring raw latents to unit variance: [B, C, T, h, w]."""
        return (latents - self.latent_mean) * (1 / self.latent_std)

    def denormalise(self, latents: Tensor) -> Tensor:
        """Undo ``normalise``; the references keep 1 / std, in the dtype of the latents."""
        return latents / (1 / self.latent_std) + self.latent_mean

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        """Decode the next latent frames of a stream; the result is not clamped.

        Shapes:
            latents: [B, T_lat, C, h, w]
            returns: [B, T_px, 3, 8h, 8w], T_px = 4 * T_lat, 3 less at the start
        Raises: ShapeError for another size than the stream has.
        """
        cache.check_size(latents.shape[-2:])
        x = latents.transpose(1, 2)  # [B, C, T, h, w]
        x = self.conv2(self.denormalise(x), cache)
        frames = [self.decoder(frame, cache) for frame in x.split(1, dim=2)]
        return torch.cat(frames, dim=2).transpose(1, 2)  # [B, T, 3, H, W]


def split_groups(x: Tensor, is_first: bool) -> list[Tensor]:
    """Cut a chunk [B, 3, T, H, W] into the encoder's calls: single first frame, then four each."""
    num_frames = x.shape[2]
    rest = num_frames - 1 if is_first else num_frames
    if rest < 0 or rest % GROUP or num_frames == 0:
        wanted = "1 + 4n" if is_first else "4n"
        raise ShapeError(f"a chunk of {num_frames} frames cannot be encoded; it must have {wanted}")
    sizes = [1] * is_first + [GROUP] * (rest // GROUP)
    return list(x.split(sizes, dim=2))


def middle(dim: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(dim, dim), AttentionBlock(dim), ResidualBlock(dim, dim))


def head(dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(ChannelRMSNorm(dim), nn.SiLU(), CausalConv3d(dim, out_dim, 3, padding=1))


_CACHED = (CausalConv3d, ResidualBlock, AttentionBlock, Downsample, Upsample)


def run(part: nn.Module, x: Tensor, cache: FeatureCache) -> Tensor:
    """Run a layer, or the layers of a sequence, giving the cache to those that take it."""
    if isinstance(part, nn.Sequential):
        for layer in part:
            x = run(layer, x, cache)
        return x
    return part(x, cache) if isinstance(part, _CACHED) else part(x)


def fold_frames(x: Tensor) -> Tensor:
    """[B, C, T, H, W] -> [B*T, C, H, W]."""
    return x.transpose(1, 2).flatten(0, 1)


def unfold_frames(x: Tensor, batch: int) -> Tensor:
    """[B*T, C, H, W] -> [B, C, T, H, W]."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)
