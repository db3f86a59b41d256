"""Alpha from the header of a LoRA file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rushes.errors import CheckpointError
from rushes.models.adapters.alphas import NO_ALPHAS, Alphas
from rushes.models.adapters.header import read_header

LAYER = "transformer.blocks.1.attn1.to_q"


def write(folder: Path, **header: str) -> Path:
    path = folder / "film.safetensors"
    save_file({"x": torch.zeros(1)}, path, header)
    return path


def peft(folder: Path, **settings: object) -> Path:
    text = json.dumps({f"transformer.{name}": value for name, value in settings.items()})
    return write(folder, lora_adapter_metadata=text)


def alphas_in(path: Path) -> Alphas:
    return read_header(path).alphas


def test_a_file_that_says_nothing_multiplies_by_one(tmp_path: Path) -> None:
    assert alphas_in(write(tmp_path)) == NO_ALPHAS
    assert NO_ALPHAS.factor(LAYER, 8, None) == 1


def test_alpha_among_the_tensors_counts_more_than_the_header() -> None:
    assert Alphas(default=2).factor(LAYER, 4, own=8) == 2


def test_alpha_of_peft_is_divided_by_the_rank(tmp_path: Path) -> None:
    assert alphas_in(peft(tmp_path, lora_alpha=2, r=4)).factor(LAYER, 4, None) == 0.5


def test_alpha_of_a_rank_stabilised_lora_is_divided_by_its_root(tmp_path: Path) -> None:
    alphas = alphas_in(peft(tmp_path, lora_alpha=2, use_rslora=True))
    assert alphas.factor(LAYER, 4, None) == 1


TWO: dict[str, dict[str, str]] = {
    "alone": {"lora_alpha": "2", "r": "4"},
    "of a network": {"transformer.lora_alpha": "2.0", "transformer.r": "4"},
    "network_alpha": {"network_alpha": "2"},
    "alpha": {"alpha": "2", "rank": "4"},
    "numpy": {"lora_alpha": "np.float64(2.0)"},
    "pytorch": {"alpha": "tensor(2.)"},
    "kohya": {"ss_network_alpha": "2.0", "ss_network_dim": "4"},
    "text": {"lora_adapter_metadata": '{"lora_alpha": "2", "r": "4"}'},
    "nested": {"lora_adapter_metadata": '{"transformer": {"lora_alpha": 2, "r": 4}}'},
    "whole settings": {"adapter_config": '{"lora_alpha": 2, "r": 4}'},
    "beside a text encoder's": {
        "lora_adapter_metadata": '{"transformer.lora_alpha": 2, "text_encoder.lora_alpha": 16}'
    },
    "beside a second network's": {
        "lora_adapter_metadata": '{"transformer.lora_alpha": 2, "transformer_2.lora_alpha": 16}'
    },
    "twice the same": {"lora_alpha": "2", "ss_network_alpha": "2"},
    "not stabilised": {"lora_alpha": "2", "use_rslora": "False"},
    "stabilised": {"lora_alpha": "1", "use_rslora": "true"},
    "escaped pattern": {
        "lora_adapter_metadata": r'{"alpha_pattern": {"^.*": 9}}'.replace(
            "^.*", r"^transformer\\.blocks\\.1\\.attn1\\.to_q$"
        ).replace("9", "2")
    },
}


@pytest.mark.parametrize("kind", TWO)
def test_half_the_rank_is_read_from_every_place(tmp_path: Path, kind: str) -> None:
    assert alphas_in(write(tmp_path, **TWO[kind])).factor(LAYER, 4, None) == 0.5


@pytest.mark.parametrize(
    "header",
    [
        {"ss_network_alpha": "0"},
        {"text_encoder.lora_alpha": "2"},
        {"lora_adapter_metadata": '{"text_encoder.lora_alpha": 2}'},
    ],
)
def test_what_is_not_said_of_this_network_is_the_rank(
    tmp_path: Path, header: dict[str, str]
) -> None:
    assert alphas_in(write(tmp_path, **header)).factor(LAYER, 4, None) == 1


def test_a_pattern_of_layers_has_its_own_alpha(tmp_path: Path) -> None:
    alphas = alphas_in(peft(tmp_path, lora_alpha=2, alpha_pattern={"attn1.to_q": 16}))
    assert alphas.factor(LAYER, 4, None) == 4
    assert alphas.factor(LAYER.replace("to_q", "to_k"), 4, None) == 0.5


def test_alpha_of_kohya_is_read(tmp_path: Path) -> None:
    assert alphas_in(write(tmp_path, ss_network_alpha="3")).factor(LAYER, 4, None) == 0.75


def test_an_alpha_that_kohya_was_not_given_is_none(tmp_path: Path) -> None:
    assert alphas_in(write(tmp_path, ss_network_alpha="None")) == NO_ALPHAS


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"lora_adapter_metadata": "{"}, "not JSON"),
        ({"lora_adapter_metadata": "[]"}, "not an object"),
        ({"lora_adapter_metadata": '{"alpha_pattern": [1]}'}, "alpha_pattern"),
        ({"lora_adapter_metadata": '{"alpha_pattern": {"(": 1}}'}, "alpha_pattern"),
        ({"lora_adapter_metadata": '{"alpha_pattern": {"(a+)+q": 1}}'}, "regular expressions"),
        ({"lora_adapter_metadata": '{"lora_alpha": "x"}'}, "'x' is not a finite number"),
        ({"lora_adapter_metadata": f'{{"lora_alpha": {10**400}}}'}, "not a finite number"),
        ({"ss_network_alpha": "nan"}, "'nan' is not a finite number"),
        ({"alpha": "[2]"}, "is not a finite number"),
        ({"lora_alpha": "2", "ss_network_alpha": "8"}, "give alpha as 2 and 8"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base too"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, header: dict[str, str], reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason):
        alphas_in(write(tmp_path, **header))
