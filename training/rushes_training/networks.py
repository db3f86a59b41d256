"""The networks of the pocket preset while they are trained, and their files when they are done."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import CausalDit
from rushes.models.stream_vae import StreamVAE
from rushes.models.text_encoder import TextEncoder, load_text_network, load_tokenizer
from rushes.presets.preset import Preset
from rushes.weights.autoencoders import vae_config
from rushes.weights.networks import dit_config
from rushes_training.text import ENCODER, TEXT_LEN, encoder_weights, write_tokenizer


def new_vae(preset: Preset, seed: int) -> StreamVAE:
    torch.manual_seed(seed)
    return StreamVAE(vae_config(preset, "wan"))


def new_dit(preset: Preset, seed: int) -> CausalDit:
    torch.manual_seed(seed)
    return CausalDit(dit_config(preset))


def text_encoder(folder: Path) -> TextEncoder:
    """Build the text encoder; its tokenizer is written into a folder first."""
    write_tokenizer(folder)
    network = load_text_network(ENCODER, encoder_weights(), torch.float32, "pocket")
    return TextEncoder(network, load_tokenizer(folder), TEXT_LEN, torch.float32)


@torch.no_grad()
def centre_latents(vae: StreamVAE, clips: Tensor) -> None:
    """Change the two 1x1 convolutions beside the latents so that these have mean 0 and size 1.

    One factor for all channels: a channel that says little stays small. What the decoder makes of
    the latents of a clip is the same as before.

    Shapes:
        clips: [B, T, 3, H, W]
    """
    latents = vae.encode(clips, FeatureCache(), normalise=True)
    mean = latents.mean(dim=(0, 1, 3, 4))
    scale = (latents - mean[:, None, None]).square().mean().sqrt()
    std, offset = vae.latent_std.flatten(), vae.latent_mean.flatten()
    channels = len(mean)
    # new = (old - mean) / scale, where old = (conv1 - offset) / std
    assert vae.conv1.bias is not None
    assert vae.conv2.bias is not None
    weight, bias = vae.conv1.weight[:channels], vae.conv1.bias[:channels]
    weight.div_(scale)
    bias.copy_((bias - offset - mean * std) / scale + offset)
    # conv2 takes new * std + offset and wants old * std + offset
    shift = offset + mean * std - scale * offset
    inner = vae.conv2.weight.flatten(1)
    vae.conv2.bias.add_(inner @ shift)
    vae.conv2.weight.mul_(scale)


def save_weights(module: nn.Module, path: Path) -> None:
    """Save a network under the public names of its weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})


def export(preset: Preset, folder: Path, vae: StreamVAE, dit: CausalDit) -> None:
    """Write all files of the preset."""
    names = preset.weights
    save_weights(vae, folder / names.vae[0])
    save_weights(dit, folder / names.dit[0])
    path = folder / names.text_encoder[0]
    save_file(encoder_weights(), path, metadata={"format": "pt"})
    write_tokenizer(folder / names.tokenizer[0])
