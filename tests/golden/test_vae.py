"""The Stream-VAE against recorded streams, whole clips and single layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from references.cases import Case, cases_of
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.snapshot import Snapshot
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.models.vae.blocks import (
    AttentionBlock,
    ChannelRMSNorm,
    Downsample,
    ResidualBlock,
    Upsample,
)
from rushes.models.vae.causal_conv import CausalConv3d, number_slots


def vae_cases(blocks: bool) -> list[Any]:
    cases = cases_of("vae")
    return [c for c in cases if c.values[0] is None or ("block" in c.values[0].config) == blocks]


def build_vae(case: Case) -> StreamVAE:
    config = case.config
    vae = StreamVAE(
        VaeConfig(
            dim=int(config["dim"] * (1 - config.get("pruning_rate", 0))),
            latent_channels=config["z_dim"],
            multipliers=tuple(config["dim_mult"]),
            num_res_blocks=config["num_res_blocks"],
            temporal_downsample=tuple(config["temperal_downsample"]),
            latent_mean=tuple(config["latent_mean"]),
            latent_std=tuple(config["latent_std"]),
        )
    )
    load_recorded_halves(vae, case.weights())
    return vae.to(getattr(torch, config.get("dtype", "float32"))).eval()


def load_recorded_halves(vae: StreamVAE, weights: dict[str, Tensor]) -> None:
    """Load strictly; a case that only encodes or only decodes lacks the other half entirely."""
    parts = {name.split(".")[0] for name in weights}
    for part in ("encoder", "conv1", "conv2", "decoder"):
        if part in parts:
            start = f"{part}."
            state = {n.removeprefix(start): t for n, t in weights.items() if n.startswith(start)}
            getattr(vae, part).load_state_dict(state, strict=True)
    assert parts <= {"encoder", "conv1", "conv2", "decoder"}


class Replay:
    """Runs the recorded calls; streams are named, each with a cache of its own."""

    def __init__(self, vae: StreamVAE) -> None:
        self.vae = vae
        self.encoders: dict[str, FeatureCache] = {}
        self.decoder = FeatureCache()

    def call(self, call: dict[str, Any], source: Tensor | None) -> Tensor | None:
        if call["op"] == "reset":
            self._reset(call.get("which", "both"))
            return None
        assert source is not None
        source = source.transpose(1, 2)
        match call["op"]:
            case "encode" | "one_shot_encode":
                out = self.vae.encode(source, FeatureCache(), call.get("normalise", False))
            case "stream_encode":
                cache = self.encoders.setdefault(call.get("stream", ""), FeatureCache())
                out = self.vae.encode(source, cache, call.get("normalise", False))
            case "decode":
                out = self.vae.decode(source, FeatureCache())
            case "stream_decode":
                out = self.vae.decode(source, self.decoder)
            case unknown:
                raise AssertionError(f"unknown operation {unknown}")
        return (out.float().clamp(-1, 1) if call.get("clamp") else out).transpose(1, 2)

    def _reset(self, which: str) -> None:
        if which in ("encode", "both"):
            self.encoders.clear()
        if which in ("decode", "both"):
            self.decoder.reset()


@pytest.mark.parametrize("case", vae_cases(blocks=False))
@torch.inference_mode()
def test_vae_equals_the_recorded_one(case: Case) -> None:
    replay = Replay(build_vae(case))
    for index, call in enumerate(case.calls):
        is_encode = "encode" in call["op"]
        source = case.get(f"inputs.{index}.{'video' if is_encode else 'latent'}")
        actual = replay.call(call, source)
        if actual is not None:
            expected = case.outputs(index)["latent" if is_encode else "video"]
            case.assert_close(actual, expected, f"call {index} {call['op']}")


def build_block(config: dict[str, Any]) -> nn.Module:
    match config["block"]:
        case "causal_conv3d":
            kernel, stride = tuple(config["kernel"]), tuple(config["stride"])
            padding = config["padding"]
            assert padding[1] == padding[2]
            return CausalConv3d(
                config["in_dim"], config["out_dim"], kernel, stride, padding[1], 2 * padding[0]
            )
        case "residual_block":
            return ResidualBlock(config["in_dim"], config["out_dim"])
        case "attention_block":
            return AttentionBlock(config["dim"])
        case "rms_norm":
            return ChannelRMSNorm(config["dim"], frame_only=config["images"])
        case "resample":
            layer = Downsample if config["mode"].startswith("down") else Upsample
            return layer(config["dim"], temporal=config["mode"].endswith("3d"))
        case unknown:
            raise AssertionError(f"unknown block {unknown}")


def channels_last(x: Tensor) -> Tensor:
    """As layers take clips: [..., C, T, H, W] -> [..., T, H, W, C]; frames likewise."""
    return x.movedim(-4 if x.dim() == 5 else -3, -1)


def channels_first(x: Tensor) -> Tensor:
    return x.movedim(-1, -4 if x.dim() == 5 else -3)


def assert_slots(case: Case, cache: FeatureCache, outputs: dict[str, Tensor], what: str) -> None:
    """Compare the slots; ours always hold full length, with zeros where the stream has no frame."""
    for name, expected in outputs.items():
        if name.startswith("cache."):
            slot = channels_first(cache.slots[int(name.removeprefix("cache."))])
            missing = slot.shape[2] - expected.shape[2]
            assert not slot[:, :, :missing].any()
            case.assert_close(slot[:, :, missing:], expected, f"{what} {name}")


@pytest.mark.parametrize("case", vae_cases(blocks=True))
@torch.inference_mode()
def test_layer_equals_the_recorded_one(case: Case) -> None:
    layer = build_block(case.config)
    number_slots(layer)
    layer.load_state_dict(case.weights(case.config["prefix"]), strict=True)
    stream = FeatureCache()
    for index, call in enumerate(case.calls):
        if call["op"] == "reset":
            stream.reset()
            continue
        x = case.tensors[f"inputs.{index}.x"]
        cache = stream if call["op"] == "stream" else FeatureCache()
        given = case.get(f"inputs.{index}.cache")
        if given is not None:
            assert isinstance(layer, CausalConv3d)
            missing = layer.history - given.shape[2]
            padded = nn.functional.pad(given, (0, 0, 0, 0, missing, 0))
            values = {"is_first_call": False, "size": None}
            cache.restore(Snapshot({"0": channels_last(padded)}, values))
        outputs = case.outputs(index)
        arguments = () if isinstance(layer, ChannelRMSNorm) else (cache,)
        y = channels_first(layer(channels_last(x), *arguments))
        case.assert_close(y, outputs["y"], f"call {index}")
        cache.end_call()
        assert_slots(case, cache, outputs, f"call {index}")
