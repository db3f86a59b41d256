"""The DiT's single functions against recorded ones: rotary tables, norms, patches, embeddings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from references.cases import Case, cases_of
from rushes.models.attention_layers import RMSNorm
from rushes.models.dit import (
    CausalDit,
    DitConfig,
)
from rushes.models.layers.modulation import sinusoidal_embedding
from rushes.models.layers.patches import unpatchify
from rushes.models.rope import RotaryEmbedding, rotary_table, rotate


def function_cases() -> list[Any]:
    """Cases without a network: their config names no variant."""
    cases = cases_of("causal_dit")
    return [
        case for case in cases if case.values[0] is None or "variant" not in case.values[0].config
    ]


def answers(call: dict[str, Any], get: dict[str, Tensor]) -> dict[str, Tensor]:
    match call["op"]:
        case "rope_table":
            angles = rotary_table(call["head_dim"])[get["positions"]]
            return {"cos": angles.cos(), "sin": angles.sin()}
        case "rope_apply":
            return {"y": _rotated(get["x"], call["start_frame"], call["grid"])}
        case "sinusoidal":
            return {"embedding": sinusoidal_embedding(get["timestep"], call["dim"])}
        case "rms_norm":
            norm = RMSNorm(len(get["weight"]), call["eps"])
            norm.weight = nn.Parameter(get["weight"], requires_grad=False)
            return {"y": norm(get["x"])}
        case "layer_norm":
            weight, bias = get.get("weight"), get.get("bias")
            width = get["x"].shape[-1:]
            return {"y": nn.functional.layer_norm(get["x"], width, weight, bias, call["eps"])}
        case "patch_embed":
            return _embedded_patches(get)
        case "unpatchify":
            _, height, width = call["grid"]
            return {"latents": unpatchify(get["tokens"], height, width)}
        case unknown:
            raise AssertionError(f"unknown operation {unknown}")


def _rotated(x: Tensor, start_frame: int | list[int], grid: list[int]) -> Tensor:
    starts = [start_frame] if isinstance(start_frame, int) else start_frame
    frames, height, width = grid
    factors = RotaryEmbedding(x.shape[-1]).factors(starts, frames, height, width)
    inside = frames * height * width
    # Tokens beyond the grid, which the stream never has, pass the reference unchanged.
    return torch.cat((rotate(x[:, :inside], factors), x[:, inside:]), dim=1)


def _embedded_patches(get: dict[str, Tensor]) -> dict[str, Tensor]:
    dim = len(get["bias"])
    dit = CausalDit(DitConfig(dim=dim, ffn_dim=8, num_heads=2, num_layers=0, text_dim=8))
    dit.patch_embedding.load_state_dict({"weight": get["weight"], "bias": get["bias"]})
    tokens = dit.embed_patches(get["latents"]).detach()
    _, frames, _, height, width = get["latents"].shape
    return {"tokens": tokens, "grid": torch.tensor([frames, height // 2, width // 2])}


@pytest.mark.parametrize("case", function_cases())
def test_function_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        start = f"inputs.{index}."
        get = {n.removeprefix(start): t for n, t in case.tensors.items() if n.startswith(start)}
        actual = answers(call, get)
        assert actual.keys() == case.outputs(index).keys()
        for name, tensor in case.outputs(index).items():
            case.assert_close(actual[name].detach(), tensor, f"call {index} {name}")
