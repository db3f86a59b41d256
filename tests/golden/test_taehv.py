"""The tiny autoencoders against recorded streams, whole clips and single layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, cases_of
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.tiny_vae import (
    MemBlock,
    SoftClamp,
    TGrow,
    TinyVAE,
    TinyVaeConfig,
    TPool,
)


def last_growth_rows(state: Mapping[str, Tensor], network: TinyVAE) -> dict[str, Tensor]:
    """Cut the growing layers of a public file to a network that grows less: the last rows count."""
    wanted = network.state_dict()
    return {
        name: tensor[-wanted[name].shape[0] :]
        if name.startswith("decoder") and name.endswith(".conv.weight") and name in wanted
        else tensor
        for name, tensor in state.items()
    }


def taehv_cases(blocks: bool) -> list[Any]:
    cases = cases_of("taehv")
    return [c for c in cases if c.values[0] is None or ("block" in c.values[0].config) == blocks]


def build_vae(case: Case) -> TinyVAE:
    config = case.config
    constants = {
        name: tuple(config[name]) for name in ("latent_mean", "latent_std") if name in config
    }
    vae = TinyVAE(
        TinyVaeConfig(
            encoder_channels=config["encoder_channels"],
            decoder_channels=tuple(config["decoder_channels"]),
            latent_channels=config["latent_channels"],
            pool_strides=tuple(config["encoder_pool_strides"]),
            time_upscale=tuple(config["decoder_time_upscale"]),
            space_upscale=tuple(config["decoder_space_upscale"]),
            raw_latents=config.get("use_lighttae", False),
            **constants,
        )
    )
    vae.load_state_dict(last_growth_rows(case.weights(), vae), strict=True)
    return vae.eval()


class ContextDecoder:
    """Upstream's way to decode: no memory, but the last latents once more before the new ones.

    Source: sdv2: models/wan/taehv_wrapper.py
    """

    def __init__(self, vae: TinyVAE, num_context: int) -> None:
        self.vae, self.num_context = vae, num_context
        self.context: Tensor | None = None
        self.stream = FeatureCache()

    def decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        if cache is not self.stream:
            return self.vae.decode_untrimmed(latents, cache)
        is_first = self.context is None
        joined = latents if self.context is None else torch.cat((self.context, latents), dim=1)
        self.context = joined[:, -self.num_context :]
        num_frames = 4 * (latents.shape[1] - 1 if is_first else latents.shape[1])
        frames = self.vae.decode_untrimmed(joined, FeatureCache())
        return frames[:, frames.shape[1] - num_frames :]

    def open(self) -> FeatureCache:
        self.context, self.stream = None, FeatureCache()
        return self.stream


class Replay:
    """Runs the recorded calls; encoder streams are named, each with a cache of its own."""

    def __init__(self, case: Case) -> None:
        self.vae = build_vae(case)
        self.is_model_level = case.config["level"] == "model"
        # "b t c h w" where nothing else is said; a video's own axes may be named first
        self.video_in_channels_first = "video in b c t h w" in case.config["layout"]
        num_context = case.config.get("decode_context_latents")
        self.context_decoder = ContextDecoder(self.vae, num_context) if num_context else None
        self.encoders: dict[str, FeatureCache] = {}
        self.reset()

    def reset(self) -> None:
        self.encoders.clear()
        self.decoder = self.context_decoder.open() if self.context_decoder else FeatureCache()

    def call(self, call: dict[str, Any], source: Tensor | None) -> Tensor | None:
        if call["op"] == "reset":
            self.reset()
            return None
        assert source is not None
        match call["op"]:
            case "encode":
                return self._encode(source, FeatureCache())
            case "stream_encode":
                stream = self.encoders.setdefault(call.get("stream", ""), FeatureCache())
                return self._encode(source, stream)
            case "decode":
                return self._decode(source, FeatureCache())
            case "stream_decode":
                return self._decode(source, self.decoder)
            case unknown:
                raise AssertionError(f"unknown operation {unknown}")

    def _encode(self, video: Tensor, cache: FeatureCache) -> Tensor:
        frames = video.transpose(1, 2) if self.video_in_channels_first else video
        pixels = 2 * frames - 1 if self.is_model_level else frames
        return self.vae.encode(pixels, cache, normalise=True)

    def _decode(self, latents: Tensor, cache: FeatureCache) -> Tensor:
        pixels = (self.context_decoder or self.vae).decode(latents, cache)
        return pixels / 2 + 0.5 if self.is_model_level else pixels


@pytest.mark.parametrize("case", taehv_cases(blocks=False))
@torch.inference_mode()
def test_tiny_autoencoder_equals_the_recorded_one(case: Case) -> None:
    replay = Replay(case)
    for index, call in enumerate(case.calls):
        is_encode = "encode" in call["op"]
        actual = replay.call(call, case.get(f"inputs.{index}.{'video' if is_encode else 'latent'}"))
        if actual is not None:
            expected = case.outputs(index)["latent" if is_encode else "video"]
            case.assert_close(actual, expected, f"call {index} {call['op']}")


@pytest.mark.parametrize("case", taehv_cases(blocks=True))
@torch.inference_mode()
def test_layer_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        layer: torch.nn.Module
        inputs = [case.tensors[f"inputs.{index}.x"]]
        match call["op"]:
            case "mem_block":
                layer = MemBlock(call["n_in"], call["n_out"])
                inputs.append(case.tensors[f"inputs.{index}.past"])
            case "tpool":
                layer = TPool(call["channels"], call["stride"])
            case "tgrow":
                layer = TGrow(call["channels"], call["stride"])
            case "clamp":
                layer = SoftClamp()
            case unknown:
                raise AssertionError(f"unknown block {unknown}")
        layer.load_state_dict(case.weights(call["prefix"]), strict=True)
        case.assert_close(layer(*inputs), case.outputs(index)["y"], f"call {index} {call['op']}")
