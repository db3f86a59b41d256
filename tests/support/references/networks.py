"""Our networks with recorded weights, and what passes through them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.dit import Block, CausalDit, DitConfig
from rushes.models.layers.modulation import StepModulation
from rushes.models.prompt_keys import whole_length
from rushes.models.stream_vae import StreamVAE, VaeConfig


def build_dit(model: dict[str, Any], weights: dict[str, Tensor]) -> CausalDit:
    names: tuple[str, ...] = ("dim", "ffn_dim", "num_heads", "num_layers", "in_dim", "out_dim")
    names += ("text_dim", "text_len", "freq_dim", "eps")
    dit = CausalDit(DitConfig(**{name: model[name] for name in names}))
    dit.load_state_dict(weights, strict=True, assign=True)
    return dit.eval()


def record_activations(dit: CausalDit) -> dict[str, Tensor]:
    """Fill the returned dict with the output of every recorded place at each pass."""
    places = {
        "time_embed": dit.time_embedding,
        "time_proj": dit.time_projection,
        "head_out": dit.head,
    }
    for index, block in enumerate(dit.blocks):
        assert isinstance(block, Block)
        places[f"block{index}.self_attn_out"] = block.self_attn.o
        places[f"block{index}.cross_attn_out"] = block.cross_attn.o
        places[f"block{index}.out"] = block
    seen: dict[str, Tensor] = {}

    def see_tokens(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen["patch_tokens"] = inputs[0]

    dit.blocks[0].register_forward_pre_hook(see_tokens)
    for name, module in places.items():
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
        )
    dit.text_embedding.register_forward_hook(
        lambda _module, _inputs, output: seen.__setitem__(
            "context", whole_length(output, dit.config.text_len)
        )
    )
    return seen


def timesteps_of(given: Any, latents: Tensor) -> Tensor:
    """Return the timesteps of a pass as it was given them: [B, T]."""
    timesteps: Tensor = given.timesteps if isinstance(given, StepModulation) else given
    return timesteps.expand(latents.shape[:2])


def build_vae(config: dict[str, Any], weights: dict[str, Tensor]) -> StreamVAE:
    vae = StreamVAE(
        VaeConfig(
            dim=config["dim"],
            latent_channels=config["z_dim"],
            multipliers=tuple(config["dim_mult"]),
            num_res_blocks=config["num_res_blocks"],
            temporal_downsample=tuple(config["temperal_downsample"]),
        )
    )
    vae.load_state_dict(weights, strict=True)
    return vae.eval()


class Recorder:
    """Stands before the autoencoder and keeps what passes through it."""

    def __init__(self, vae: StreamVAE) -> None:
        self.vae = vae
        self.encoded: Tensor | None = None
        self.frames: Tensor | None = None

    def encode(self, pixels: Tensor, cache: FeatureCache, normalise: bool) -> Tensor:
        self.encoded = self.vae.encode(pixels, cache, normalise)
        return self.encoded

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        pixels = self.vae.decode(latents, cache)
        self.frames = (pixels[0].clamp(-1, 1) / 2 + 0.5).permute(0, 2, 3, 1)
        return pixels
