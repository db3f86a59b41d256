"""From a preset and a weights file to one of the autoencoders that a render can choose."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from rushes.errors import CheckpointError
from rushes.models.autoencoder import Autoencoder
from rushes.models.checkpoint import StateDict, load_strictly, read_state_dict
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.models.tiny_vae import TinyVAE, TinyVaeConfig
from rushes.presets.kinds import VaeType
from rushes.presets.preset import Preset

_NAMES: dict[VaeType, str] = {
    "wan": "the Wan VAE",
    "lightvae": "LightVAE",
    "tae": "TAE",
    "lighttae": "LightTAE",
}
_WIDTH = "encoder.conv1.weight"  # its first axis tells the Wan VAE from LightVAE


def load_autoencoder(
    preset: Preset, path: Path, vae_type: VaeType, device: torch.device, dtype: torch.dtype
) -> Autoencoder:
    """Load an autoencoder.

    Raises: CheckpointError when the file does not hold exactly the weights of this one.
    """
    state = read_state_dict(path)
    network = empty_autoencoder(preset, vae_type)
    _refuse_another_kind(preset, state, vae_type, path)
    load_strictly(network, state, str(path))
    network = network.to(device=device, dtype=dtype).eval()
    if isinstance(network, StreamVAE):
        network.arrange_weights()
    return cast("Autoencoder", network)


def empty_autoencoder(preset: Preset, vae_type: VaeType) -> StreamVAE | TinyVAE:
    """Return the network of an autoencoder without values, on the meta device."""
    with torch.device("meta"):
        if vae_type in ("wan", "lightvae"):
            return StreamVAE(vae_config(preset, vae_type))
        return TinyVAE(tiny_vae_config(preset, vae_type))


def vae_config(preset: Preset, vae_type: VaeType) -> VaeConfig:
    """Return the sizes of the Wan VAE or of its pruned form, which has the same tree."""
    dim = preset.vae.light_dim if vae_type == "lightvae" else preset.vae.dim
    return VaeConfig(dim=dim, num_res_blocks=preset.vae.num_res_blocks)


def tiny_vae_config(preset: Preset, vae_type: VaeType) -> TinyVaeConfig:
    """Return the sizes of TAE or LightTAE: one tree, but different latents."""
    width = preset.vae.tiny_channels
    return TinyVaeConfig(
        encoder_channels=width,
        decoder_channels=(4 * width, 2 * width, width, width),
        raw_latents=vae_type == "lighttae",
    )


def _refuse_another_kind(preset: Preset, state: StateDict, vae_type: VaeType, path: Path) -> None:
    """Name the autoencoder that a file holds instead; file names are often wrong about it.

    TAE and LightTAE cannot be told apart: they have the same keys and shapes.
    """
    found: VaeType = "tae"
    if _WIDTH in state:
        is_light = state[_WIDTH].shape[0] == preset.vae.light_dim
        found = "lightvae" if is_light else "wan"
    elif "encoder.0.weight" not in state:
        return
    if found != vae_type and {found, vae_type} != {"tae", "lighttae"}:
        raise CheckpointError(
            f"{path}: holds {_NAMES[found]}, not {_NAMES[vae_type]}; put the right file there, "
            "or choose another with --vae"
        )
