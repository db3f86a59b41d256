"""Training of the pocket Stream-VAE: on single frames first, then on clips.

The latents are kept small and noise is added to them before decoding, which does what the
Kullback-Leibler term of a VAE with one fixed variance does: neighbours decode alike, and the
decoder forgives small errors of the diffusion transformer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.stream_vae import StreamVAE
from rushes.models.vae.blocks import AttentionBlock, Downsample, ResidualBlock, Upsample
from rushes.models.vae.causal_conv import CausalConv3d
from rushes_training.muon import optimisers_for
from rushes_training.run import Run, keep_initial_rates, save_sheet

SIZE = 80
CROP = 64
LATENT_NOISE = 0.1
_SAMPLE_FRAMES = 21
# Share of all steps, frames a clip, clips a step.
_STAGES = ((0.35, 1, 5), (0.7, 5, 2), (1.0, 9, 1))
_DECODER_FRAMES, _DECODER_CROP = 21, 48  # long, as streams are; small, to pay for it


def train_vae(run: Run, vae: StreamVAE, films: Tensor) -> None:
    """Train encoder and decoder together.

    Shapes:
        films: [M, L, T, 3, H, W], uint8
    """
    begin_as_a_pyramid(vae)
    optimisers = keep_initial_rates(*optimisers_for(vae, _kernels(vae), rate=6e-3, adam_rate=3e-3))
    clips = films.flatten(0, 1)
    device = next(vae.parameters()).device

    def loss(run: Run) -> Tensor:
        num_frames, count = _stage(run)
        crops = random_crops(clips, count, num_frames, run.generator()).to(device)
        latents = vae.encode(crops, FeatureCache(), normalise=True)
        noise = torch.randn(latents.shape, generator=run.generator(1)).to(device)
        decoded = vae.decode(latents + LATENT_NOISE * noise, FeatureCache())
        return picture_loss(decoded, crops) + 3e-4 * latents.square().mean()

    run.train(vae, optimisers, loss, lambda run: _sample(run, vae, clips), sample_every=100)


@torch.no_grad()
def begin_as_a_pyramid(vae: StreamVAE) -> None:
    """Start from a network that shrinks and grows pictures, and learn what this leaves out.

    Residual blocks begin as their shortcuts, and convolutions as mixes of channels that keep
    lengths; in time the encoder takes the mean of two frames and the decoder shows a frame twice.
    With PyTorch's own start a signal would fade on its long way, and learning take much longer.
    """
    for module in vae.modules():
        if isinstance(module, ResidualBlock):
            _keep_channels(module.residual[2])
            last = module.residual[-1]
            assert isinstance(last, nn.Conv3d)
            nn.init.zeros_(last.weight)
        elif isinstance(module, AttentionBlock):
            nn.init.zeros_(module.proj.weight)
        elif isinstance(module, Downsample):
            _keep_channels(module.resample[1], (0.25, 0.5, 0.25))
            if module.time_conv is not None:
                _keep_channels(module.time_conv)
                module.time_conv.weight[:, :, 1] = 0.5 * module.time_conv.weight[:, :, 2]
                module.time_conv.weight[:, :, 2] *= 0.5
        elif isinstance(module, Upsample):
            _keep_channels(module.resample[1], (0.25, 0.5, 0.25))
            if module.time_conv is not None:
                _keep_channels(module.time_conv)
                half = module.time_conv.weight.shape[0] // 2
                module.time_conv.weight[half:] = module.time_conv.weight[:half]
        elif isinstance(module, CausalConv3d) and module.kernel_size == (1, 1, 1):
            _keep_channels(module)
    for conv in (vae.encoder.conv1, vae.decoder.conv1, vae.encoder.head[-1], vae.decoder.head[-1]):
        _keep_channels(conv)


def _keep_channels(conv: nn.Module, across: tuple[float, ...] = (0.0, 1.0, 0.0)) -> None:
    """Fill a kernel's last frame with an orthogonal mix of channels, spread in space."""
    assert isinstance(conv, nn.Conv2d | nn.Conv3d)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias) if conv.bias is not None else None
    mix = nn.init.orthogonal_(torch.empty(conv.weight.shape[:2]))
    kernel = torch.tensor(across) if conv.kernel_size[-1] > 1 else torch.ones(1)
    space = torch.outer(kernel, kernel)
    last = conv.weight[:, :, -1] if isinstance(conv, nn.Conv3d) else conv.weight
    last.copy_(mix[:, :, None, None] * space)


def train_decoder(run: Run, vae: StreamVAE, films: Tensor) -> None:
    """Train the decoder alone on films of the bank, while latents are already in use.

    Shapes:
        films: [M, L, T, 3, H, W], uint8
    """
    decoder = nn.ModuleList((vae.conv2, vae.decoder)).requires_grad_(True)
    optimisers = keep_initial_rates(
        *optimisers_for(decoder, _kernels(decoder), rate=5e-3, adam_rate=2e-3)
    )
    clips = films.flatten(0, 1)
    device = next(vae.parameters()).device

    def loss(run: Run) -> Tensor:
        crop = random_crops(clips, 1, _DECODER_FRAMES, run.generator(), _DECODER_CROP)
        crop = crop.to(device)
        with torch.no_grad():
            latents = vae.encode(crop, FeatureCache(), normalise=True)
        noise = torch.randn(latents.shape, generator=run.generator(1)).to(device)
        decoded = vae.decode(latents + LATENT_NOISE * noise, FeatureCache())
        return picture_loss(decoded, crop)

    run.train(decoder, optimisers, loss, lambda run: _sample(run, vae, clips), sample_every=100)


def _kernels(module: nn.Module) -> list[nn.Parameter]:
    """Return the weights that Muon is for: all but those with colours on one side."""
    return [p for p in module.parameters() if p.ndim > 3 and min(p.shape[:2]) > 3]


def _stage(run: Run) -> tuple[int, int]:
    share = run.step / run.num_steps
    return next((frames, count) for end, frames, count in _STAGES if share < end)


def random_crops(
    clips: Tensor, count: int, num_frames: int, generator: torch.Generator, side: int = CROP
) -> Tensor:
    """Cut small clips out of clips.

    Shapes:
        clips: [N, T, 3, H, W], uint8
        returns: [count, num_frames, 3, side, side] in [-1, 1]
    """

    def below(limit: int) -> int:
        return int(torch.randint(limit, (), generator=generator))

    crops = []
    for _ in range(count):
        clip = clips[below(len(clips))]
        start = below(clip.shape[0] - num_frames + 1)
        top, left = below(clip.shape[2] - side + 1), below(clip.shape[3] - side + 1)
        crop = clip[start : start + num_frames, :, top : top + side, left : left + side]
        crops.append(crop.flip(-1) if below(2) else crop)
    return as_pixels(torch.stack(crops))


def picture_loss(decoded: Tensor, wanted: Tensor) -> Tensor:
    """Compare pictures and their edges.

    Shapes:
        decoded, wanted: [B, T, 3, H, W]
    """
    loss = functional.l1_loss(decoded, wanted)
    for axis in (-1, -2):
        loss = loss + functional.l1_loss(decoded.diff(dim=axis), wanted.diff(dim=axis))
    return loss


@torch.no_grad()
def _sample(run: Run, vae: StreamVAE, clips: Tensor) -> None:
    shown = as_pixels(clips[:: len(clips) // 8 + 1, :_SAMPLE_FRAMES])
    latents = vae.encode(shown.to(vae.latent_mean.device), FeatureCache(), True)
    decoded = vae.decode(latents, FeatureCache()).cpu()
    error = (decoded.clamp(-1, 1) - shown).square().mean() / 4
    print(f"{run.name} step {run.step}: PSNR {-10 * error.log10():.2f} dB", flush=True)
    rows = torch.stack([shown[:, -1], decoded[:, -1], shown[:, 0], decoded[:, 0]])
    save_sheet(run.folder / f"{run.name}-{run.step:05}.png", rows)


def as_pixels(films: Tensor) -> Tensor:
    """Bytes to pixels in [-1, 1], whatever the shape."""
    return films.float() / 127.5 - 1
