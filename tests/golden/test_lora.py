"""LoRAs against recorded ones: merged weights, the output of the network, changing strengths."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, cases_of
from references.networks import build_dit
from rushes.models.adapters.adapted_layers import AdaptedLayers, Adapter
from rushes.models.adapters.changes import LowRank, WeightChange
from rushes.models.adapters.keys import Entry, read_entries
from rushes.models.adapters.lora import LoraWeights, targets_of
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.dit import CausalDit
from rushes.models.rope import RotaryEmbedding

_KEPT = {"self_attn": "self#attn", "cross_attn": "cross#attn"}


def layer_of(base: str) -> str:
    """Scope's way from a key to a layer, which loses many.

    Source: scope: src/scope/core/pipelines/wan2_1/lora/utils.py
    """
    if not base.startswith("lora_unet_"):
        return base.removeprefix("diffusion_model.")
    name = base.removeprefix("lora_unet_")
    for word, kept in _KEPT.items():
        name = name.replace(word, kept)
    name = re.sub(r"_(\d+)(?=_|$)", r".\1.", name).replace("_", ".").replace("..", ".")
    return name.strip(".").replace("#", "_")


def factor_of(entry: Entry, state: dict[str, Tensor]) -> float:
    """Scope's quotient of alpha and rank: none for keys of one style."""
    is_prefixed_peft = entry.base.startswith("diffusion_model.") and (
        f"{entry.base}.lora_A.weight" in state
    )
    if "alpha" not in entry.parts or is_prefixed_peft:
        return 1.0
    assert entry.rank is not None
    return float(state[entry.parts["alpha"]]) / entry.rank


def read_as_scope(state: dict[str, Tensor], layers: set[str]) -> LoraWeights:
    entries, _ = read_entries({key: tuple(each.shape) for key, each in state.items()}, "recorded")
    changes = {
        layer_of(entry.base): WeightChange(
            LowRank(state[entry.parts["down"]], state[entry.parts["up"]]), factor_of(entry, state)
        )
        for entry in entries.values()
        if layer_of(entry.base) in layers and {"down", "up"} <= entry.parts.keys()
    }
    return LoraWeights(changes)


def recorded_lora(case: Case, number: int) -> dict[str, Tensor]:
    start = f"inputs.lora.{number}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in case.tensors.items()
        if name.startswith(start)
    }


def flow(case: Case, dit: CausalDit) -> Tensor:
    latents, timesteps = case.tensors["inputs.x"], case.tensors["inputs.t"]
    height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
    sizes = dit.config
    cache = RollingKVCache(
        SlotSizes(
            num_blocks=sizes.num_layers,
            num_heads=sizes.num_heads,
            head_dim=sizes.head_dim,
            frame_tokens=height * width,
            window=latents.shape[1],
        ),
        sinks=0,
    )
    start = case.config["current_start"]
    cache.begin_chunk(start, latents.shape[1])
    rotary = RotaryEmbedding(sizes.head_dim).factors([start], latents.shape[1], height, width)
    keys = dit.prompt_keys(dit.embed_prompt(case.tensors["inputs.ctx"]))
    return dit(latents, timesteps, rotary, cache, keys)


def attached(case: Case, dit: CausalDit, call: dict[str, Any]) -> AdaptedLayers:
    targets = targets_of(dit)
    adapters = [
        Adapter(
            read_as_scope(recorded_lora(case, lora["index"]), set(targets.layers)),
            lora["scale"],
            is_merged=(lora["merge_mode"] or call["strategy"]) == "permanent_merge",
        )
        for lora in call["loras"]
    ]
    adapted = AdaptedLayers(targets, adapters)
    adapted.attach()
    return adapted


@pytest.mark.parametrize("case", cases_of("lora"))
@torch.inference_mode()
def test_loras_have_the_recorded_effect_and_leave_no_trace(case: Case) -> None:
    dit = build_dit(case.config["dit"], {n: t.clone() for n, t in case.weights().items()})
    case.assert_close(flow(case, dit), case.tensors["outputs.base"], "without")
    adapted, strengths = None, []
    for call in case.calls:
        match call["call"]:
            case "load":
                adapted = attached(case, dit, call)
                strengths = [lora["scale"] for lora in call["loras"]]
                assert_merged(case, dit, call)
            case "update_scales":
                assert adapted is not None
                for update in call["updates"]:
                    strengths[update["index"]] = update["scale"]
                adapted.set_strengths(tuple(strengths))
            case unknown:
                raise AssertionError(f"unknown call {unknown}")
        expected = case.outputs(call["i"])["flow"]
        case.assert_close(flow(case, dit), expected, f"call {call['i']}")
    assert adapted is not None
    adapted.remove()
    for name, tensor in case.weights().items():
        assert torch.equal(dit.state_dict()[name], tensor), name


def assert_merged(case: Case, dit: CausalDit, call: dict[str, Any]) -> None:
    state = dit.state_dict()
    base = case.weights()
    changed = sorted(name for name, tensor in state.items() if not torch.equal(tensor, base[name]))
    assert changed == sorted(call["changed"])
    for name in changed:
        case.assert_close(state[name], case.tensors[f"outputs.merged.{name}"], name)
