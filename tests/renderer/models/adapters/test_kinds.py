"""The relatives of LoRA: DoRA, LoKr, LoHa, whole differences, biases; merged and running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from renders.tiny_models import DIT, normal, tiny_dit
from rushes.models.adapters.adapted_layers import AdaptedLayers, Adapter
from rushes.models.adapters.alphas import NO_ALPHAS, Alphas
from rushes.models.adapters.lora import place_lora, targets_of
from rushes.models.dit import CausalDit
from rushes.models.quantise import quantise_blocks

Q = "blocks.1.self_attn.q"
SIDE = DIT.dim
RANK = 3
STRENGTH = 0.7

A, B = normal(RANK, SIDE, seed=1), normal(SIDE, RANK, seed=2)
LORA = {f"{Q}.lora_A.weight": A, f"{Q}.lora_B.weight": B}
ROWS, COLUMNS = 1 + normal(SIDE, 1, seed=3).abs(), 1 + normal(1, SIDE, seed=4).abs()
HADA = [normal(SIDE, RANK, seed=5), normal(RANK, SIDE, seed=6)]
HADB = [normal(SIDE, RANK, seed=7), normal(RANK, SIDE, seed=8)]
W1, W2 = normal(4, 4, seed=9), normal(SIDE // 4, SIDE // 4, seed=10)
W2A, W2B = normal(SIDE // 4, 2, seed=11), normal(2, SIDE // 4, seed=12)
LOHA = {
    f"{Q}.hada_w1_a": HADA[0],
    f"{Q}.hada_w1_b": HADA[1],
    f"{Q}.hada_w2_a": HADB[0],
    f"{Q}.hada_w2_b": HADB[1],
}


def dora(weight: Tensor, added: Tensor, magnitude: Tensor, axis: int) -> Tensor:
    whole = weight + added
    return magnitude * whole / whole.norm(dim=axis, keepdim=True)


KINDS: dict[str, tuple[dict[str, Tensor], Callable[[Tensor], Tensor]]] = {
    "lora": (LORA, lambda w: w + B @ A),
    "dora, rows": (LORA | {f"{Q}.dora_scale": ROWS}, lambda w: dora(w, B @ A, ROWS, 1)),
    "dora of peft": (
        LORA | {f"{Q}.lora_magnitude_vector.default.weight": ROWS[:, 0]},
        lambda w: dora(w, B @ A, ROWS, 1),
    ),
    "dora, columns": (LORA | {f"{Q}.dora_scale": COLUMNS}, lambda w: dora(w, B @ A, COLUMNS, 0)),
    "dora with alpha": (
        LORA | {f"{Q}.dora_scale": ROWS, f"{Q}.alpha": torch.tensor(1.5)},
        lambda w: dora(w, B @ A / 2, ROWS, 1),
    ),
    "loha": (
        LOHA | {f"{Q}.alpha": torch.tensor(6.0)},
        lambda w: w + 2 * (HADA[0] @ HADA[1]) * (HADB[0] @ HADB[1]),
    ),
    "loha, dora": (
        LOHA | {f"{Q}.dora_scale": ROWS},
        lambda w: dora(w, (HADA[0] @ HADA[1]) * (HADB[0] @ HADB[1]), ROWS, 1),
    ),
    "lokr": (
        # Where both factors are whole, trainers write an alpha that does not count.
        {f"{Q}.lokr_w1": W1, f"{Q}.lokr_w2": W2, f"{Q}.alpha": torch.tensor(9e9)},
        lambda w: w + torch.kron(W1, W2),
    ),
    "lokr, low rank": (
        {f"{Q}.lokr_w1": W1, f"{Q}.lokr_w2_a": W2A, f"{Q}.lokr_w2_b": W2B}
        | {f"{Q}.alpha": torch.tensor(1.0)},
        lambda w: w + torch.kron(W1, W2A @ W2B) / 2,
    ),
    "whole": ({f"{Q}.diff": B @ A}, lambda w: w + B @ A),
}


def layer_of(dit: CausalDit) -> Any:
    return dit.get_submodule(Q)


def attach(
    dit: CausalDit, state: dict[str, Tensor], alphas: Alphas = NO_ALPHAS, *, is_merged: bool
) -> AdaptedLayers:
    targets = targets_of(dit)
    weights = place_lora(state, targets, "film.safetensors", alphas)
    assert weights.unused == ()
    adapted = AdaptedLayers(targets, [Adapter(weights, STRENGTH, is_merged)])
    adapted.attach()
    return adapted


@pytest.mark.parametrize("is_merged", [True, False], ids=["merged", "running"])
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_each_kind_changes_the_layer_as_its_paper_says(kind: str, is_merged: bool) -> None:
    dit = tiny_dit()
    state, changed = KINDS[kind]
    layer = layer_of(dit)
    weight = layer.weight.clone()
    x = normal(2, 5, SIDE, seed=20)
    before = layer(x)
    expected = before + STRENGTH * torch.nn.functional.linear(x, changed(weight) - weight)
    adapted = attach(dit, state, is_merged=is_merged)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)
    adapted.remove()
    assert torch.equal(layer(x), before)
    assert torch.equal(layer.weight, weight)


@pytest.mark.parametrize("is_merged", [True, False], ids=["merged", "running"])
@torch.inference_mode()
def test_biases_norms_and_modulations_are_changed_and_come_back(is_merged: bool) -> None:
    dit = tiny_dit()
    before = {name: tensor.clone() for name, tensor in dit.state_dict().items()}
    differences = {
        f"{Q}.bias": (f"diffusion_model.{Q}.diff_b", 1.0),
        "blocks.0.norm3.weight": ("diffusion_model.blocks.0.norm3.diff", 1.0),
        "blocks.0.norm3.bias": ("diffusion_model.blocks.0.norm3.diff_b", 1.0),
        "blocks.1.cross_attn.norm_k.weight": ("blocks.1.cross_attn.norm_k.w_norm", 1.0),
        "blocks.1.modulation": ("diffusion_model.blocks.1.modulation.diff", 1.0),
        "head.modulation": ("scale_shift_table.diff", 1.0),
        "patch_embedding.weight": ("patch_embedding.diff", 1.0),
    }
    values = {name: normal(*before[name].shape, seed=30) for name in differences}
    state = {key: values[name] for name, (key, _) in differences.items()}
    adapted = attach(dit, state, is_merged=is_merged)
    for name, tensor in dit.state_dict().items():
        wanted = before[name] + STRENGTH * values[name] if name in values else before[name]
        torch.testing.assert_close(tensor, wanted)
    if not is_merged:
        assert adapted.set_strengths((0.0,))
        for name, tensor in dit.state_dict().items():
            assert torch.equal(tensor, before[name]), name
    adapted.remove()
    for name, tensor in dit.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@torch.inference_mode()
def test_a_modulation_is_changed_under_the_key_of_lightx2v() -> None:
    dit = tiny_dit()
    before = dit.state_dict()["blocks.1.modulation"].clone()
    change = normal(*before.shape, seed=30)
    attach(dit, {"diffusion_model.blocks.1.diff_m": change}, is_merged=True)
    torch.testing.assert_close(dit.state_dict()["blocks.1.modulation"], before + STRENGTH * change)


@pytest.mark.parametrize("layout", ["rows", "columns", "peft"])
@torch.inference_mode()
def test_a_dora_of_a_layer_that_is_not_square(layout: str) -> None:
    dit = tiny_dit()
    name = "blocks.1.ffn.0"
    weight = dit.state_dict()[f"{name}.weight"].clone()
    rows, columns = weight.shape
    assert rows != columns
    down, up = normal(RANK, columns, seed=60), normal(rows, RANK, seed=61)
    shape, axis = ((1, columns), 0) if layout == "columns" else ((rows, 1), 1)
    magnitude = 1 + normal(*shape, seed=62).abs()
    key = {"peft": "lora_magnitude_vector"}.get(layout, "dora_scale")
    given = magnitude[:, 0] if layout == "peft" else magnitude
    state = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up, f"{name}.{key}": given}
    attach(dit, state, is_merged=True)
    wanted = dora(weight, up @ down, magnitude, axis)
    changed = dit.state_dict()[f"{name}.weight"]
    torch.testing.assert_close(changed, weight + STRENGTH * (wanted - weight))


@torch.inference_mode()
def test_a_dora_of_peft_holds_a_number_for_each_row_of_a_convolution_too() -> None:
    weight = tiny_dit().patch_embedding.weight.clone()
    down, up = normal(2, *weight.shape[1:], seed=50), normal(weight.shape[0], 2, 1, 1, 1, seed=51)
    pair = {"patch_embedding.lora_A.weight": down, "patch_embedding.lora_B.weight": up}
    magnitude = 1 + normal(weight.shape[0], seed=52).abs()
    changed = []
    for key, shape in (("lora_magnitude_vector", (1, -1, 1, 1, 1)), ("dora_scale", (-1, 1))):
        dit = tiny_dit()
        attach(dit, pair | {f"patch_embedding.{key}": magnitude.reshape(shape)}, is_merged=True)
        changed.append(dit.patch_embedding.weight)
    torch.testing.assert_close(*changed)


@torch.inference_mode()
def test_the_bias_of_a_lora_is_scaled_as_its_product_is() -> None:
    dit = tiny_dit()
    bias = layer_of(dit).bias.clone()
    own = normal(SIDE, seed=40)
    state = LORA | {f"{Q}.lora_B.bias": own, f"{Q}.alpha": torch.tensor(6.0)}
    attach(dit, state, is_merged=True)
    torch.testing.assert_close(layer_of(dit).bias, bias + STRENGTH * 2 * own)


@torch.inference_mode()
def test_a_whole_lokr_of_peft_is_divided_by_the_rank_of_its_settings() -> None:
    dit = tiny_dit()
    weight = layer_of(dit).weight.clone()
    state = {f"{Q}.lokr_w1": W1, f"{Q}.lokr_w2": W2}
    attach(dit, state, Alphas(default=4, rank=8), is_merged=True)
    wanted = weight + STRENGTH * torch.kron(W1, W2) / 2
    torch.testing.assert_close(layer_of(dit).weight, wanted)


@torch.inference_mode()
def test_a_convolution_takes_a_low_rank_change() -> None:
    dit = tiny_dit()
    weight = dit.patch_embedding.weight.clone()
    down, up = normal(2, *weight.shape[1:], seed=50), normal(weight.shape[0], 2, 1, 1, 1, seed=51)
    state = {"patch_embedding.lora_down.weight": down, "patch_embedding.lora_up.weight": up}
    attach(dit, state, is_merged=True)
    change = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
    torch.testing.assert_close(dit.patch_embedding.weight, weight + STRENGTH * change)


@pytest.mark.parametrize("kind", ["lora", "dora, rows", "dora, columns", "lokr"])
@torch.inference_mode()
def test_layers_in_fp8_take_every_kind_while_they_run(kind: str) -> None:
    dit = quantise_blocks(tiny_dit(), torch.device("cpu"), torch.float32)
    state, changed = KINDS[kind]
    layer = layer_of(dit)
    stored = layer.stored.float() * layer.scale[:, None]
    x = normal(2, 5, SIDE, seed=20)
    before = layer(x)
    adapted = attach(dit, state, is_merged=True)
    expected = before + STRENGTH * torch.nn.functional.linear(x, changed(stored) - stored)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)
    adapted.remove()
    assert torch.equal(layer(x), before)
