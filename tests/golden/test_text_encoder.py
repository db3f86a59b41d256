"""The text encoder, its tokenizing and its prompt cleaning against recorded results."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import UMT5Config
from transformers.models.umt5.modeling_umt5 import UMT5Attention

from references.cases import GOLDEN_DIR, Case, cases_of
from rushes.models.clean_prompt import clean_prompt
from rushes.models.text_encoder import (
    TextEncoder,
    TextEncoderConfig,
    load_text_network,
    load_tokenizer,
)

COMPUTE = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "autocast_bfloat16": torch.bfloat16,
}


def encoder_cases(networks: bool) -> list[Any]:
    cases = cases_of("text_encoder")
    return [
        c for c in cases if c.values[0] is None or ("block" not in c.values[0].config) == networks
    ]


def build_encoder(case: Case, compute: str) -> TextEncoder:
    config = case.config
    sizes = TextEncoderConfig(
        vocab_size=config["vocab_size"],
        dim=config["dim"],
        ffn_dim=config["dim_ffn"],
        num_heads=config["num_heads"],
        head_dim=config["dim_attn"] // config["num_heads"],
        num_layers=config["num_layers"],
    )
    dtype = COMPUTE[compute]
    network = load_text_network(sizes, case.weights(), dtype, case.path.name)
    folder = config.get("tokenizer")
    tokenizer = load_tokenizer(case.path.parent / folder) if folder else None
    return TextEncoder(network, tokenizer, config.get("text_len", 0), dtype)


def answers(
    encoder: TextEncoder, call: dict[str, Any], get: dict[str, Tensor]
) -> dict[str, Tensor]:
    if call["op"] == "encode":
        raw = encoder.embed(get["ids"], get["mask"])
        return {"context_raw": raw, "context": raw * get["mask"].unsqueeze(-1)}
    assert call["op"] == "prompts"
    ids, mask = encoder.tokenize(call["texts"])
    return {"ids": ids, "mask": mask, "prompt_embeds": encoder.encode(call["texts"])}


@pytest.mark.parametrize("case", encoder_cases(networks=True))
def test_encoder_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        compute = call.get("compute", "float32")
        start = f"inputs.{index}."
        get = {n.removeprefix(start): t for n, t in case.tensors.items() if n.startswith(start)}
        actual = answers(build_encoder(case, compute), call, get)
        limits = case.tolerance.get("per_compute", {}).get(compute, case.tolerance)
        assert actual.keys() == case.outputs(index).keys()
        for name, expected in case.outputs(index).items():
            case.assert_close(actual[name], expected, f"call {index} {name}", limits)


@pytest.mark.parametrize("case", encoder_cases(networks=False))
def test_position_buckets_of_the_library_equal_the_recorded_ones(case: Case) -> None:
    config = case.config
    attention = UMT5Attention(
        UMT5Config(
            d_model=8,
            d_kv=2,
            num_heads=config["num_heads"],
            relative_attention_num_buckets=config["num_buckets"],
            relative_attention_max_distance=config["max_dist"],
            is_decoder=False,
        ),
        has_relative_attention_bias=True,
    )
    (table,) = case.weights().values()
    attention.relative_attention_bias.weight.data = table
    for index, call in enumerate(case.calls):
        queries, keys = torch.arange(call["lq"]), torch.arange(call["lk"])
        distance = keys.unsqueeze(0) - queries.unsqueeze(1)
        outputs = case.outputs(index)
        assert torch.equal(attention._relative_position_bucket(distance), outputs["buckets"])
        bias = attention.compute_bias(call["lq"], call["lk"]).detach()
        assert torch.equal(bias, outputs["bias"])


def test_prompts_are_cleaned_as_recorded() -> None:
    file = GOLDEN_DIR / "text_encoder" / "clean_text.json"
    if not file.is_file():
        pytest.skip("no golden prompt texts below GOLDEN_DIR")
    for row in json.loads(file.read_text(encoding="utf-8"))["rows"]:
        assert clean_prompt(row["text"]) == row["whitespace"]
