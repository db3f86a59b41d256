"""A LoRA that is half of a model: merged whole or not at all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from renders.tiny_models import DIT, seeded, tiny_dit
from rushes.errors import CheckpointError
from rushes.models.adapters.part_of_model import merge_part
from rushes.weights.random_weights import random_lora


def test_every_linear_layer_of_the_blocks_changes_by_the_product() -> None:
    dit, before = tiny_dit(), tiny_dit()
    lora = random_lora(DIT, seeded(3))
    merge_part(dit, lora, "lora.pt", torch.float32)
    changed = 0
    for name, weight in dit.named_parameters():
        start = f"base_model.model.{name.removesuffix('.weight')}"
        expected: Tensor = before.get_parameter(name)
        if f"{start}.lora_A.weight" in lora:
            product = lora[f"{start}.lora_B.weight"] @ lora[f"{start}.lora_A.weight"]
            expected = expected + product
            changed += 1
        torch.testing.assert_close(weight, expected)
    assert changed == 10 * DIT.num_layers


def test_the_sum_is_rounded_once() -> None:
    dit, before = tiny_dit(), tiny_dit().to(torch.bfloat16)
    dit.to(torch.bfloat16)
    merge_part(dit, random_lora(DIT, seeded(3)), "lora.pt", torch.float32)
    weight = dit.get_parameter("blocks.0.ffn.0.weight")
    assert weight.dtype is torch.float32
    assert not torch.equal(weight, weight.bfloat16().float())
    assert before.get_parameter("blocks.0.ffn.0.weight").dtype is torch.bfloat16


@pytest.mark.parametrize("missing", ["blocks.1.cross_attn.o", "blocks.0.ffn.2"])
def test_a_file_that_lacks_a_layer_is_not_the_other_half(missing: str) -> None:
    lora = {name: t for name, t in random_lora(DIT, seeded(3)).items() if missing not in name}
    with pytest.raises(CheckpointError, match=f"not the other half.*no change for {missing}"):
        merge_part(tiny_dit(), lora, "lora.pt", torch.float32)


def test_a_key_without_a_place_is_named() -> None:
    lora = random_lora(DIT, seeded(3))
    lora["base_model.model.blocks.9.ffn.0.lora_A.weight"] = torch.zeros(4, DIT.dim)
    lora["base_model.model.blocks.9.ffn.0.lora_B.weight"] = torch.zeros(DIT.ffn_dim, 4)
    with pytest.raises(CheckpointError, match=r"no place for .*blocks\.9"):
        merge_part(tiny_dit(), lora, "lora.pt", torch.float32)
