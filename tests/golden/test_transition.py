"""Prompt transitions against recorded sequences and series of calls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from references.cases import Case, cases_of
from references.scope_caller import ScopePrompts, prompts_of
from rushes.stream.conditioning import Conditioning
from rushes.timeline.document import Prompt

SOURCE, TARGET = (Prompt(text="source", weight=1.0),), (Prompt(text="target", weight=1.0),)


def transition_cases(call: str) -> list[Any]:
    cases = cases_of("transition")
    return [c for c in cases if c.values[0] is None or c.values[0].calls[0]["call"] == call]


def padded(embedding: Tensor, like: Tensor) -> Tensor:
    """Add the rows of zeros that ours are kept without: [B, P, E]."""
    return functional.pad(embedding, (0, 0, 0, like.shape[1] - embedding.shape[1]))


@pytest.mark.parametrize("case", transition_cases("transition"))
def test_sequence_of_a_transition_equals_the_recorded_one(case: Case) -> None:
    for index, call in enumerate(case.calls):
        target = "target_close" if call["produced"] == 0 else "target"
        texts = {
            "source": case.tensors["inputs.source"],
            "target": case.tensors[f"inputs.{target}"],
        }
        prompts = ScopePrompts(Conditioning(texts.__getitem__))
        prompts.call(SOURCE, None)
        transition = {
            "target_prompts": [{"text": "target", "weight": 1.0}],
            "num_steps": call["num_steps"],
            "temporal_interpolation_method": call["method"],
        }
        produced: list[Tensor] = []
        active: list[int] = []
        while prompts.transition_active or not active:
            embedding = prompts.call(SOURCE, transition)
            if not prompts.updated:
                break
            produced.append(embedding)
            active.append(int(prompts.transition_active))
        assert len(produced) == call["produced"]
        outputs = case.outputs(index)
        if produced:
            expected = outputs["sequence"]
            sequence = torch.cat([padded(each, expected) for each in produced])
            case.assert_close(sequence, expected, f"call {index}")
            assert active == outputs["active_after"].tolist()


@pytest.mark.parametrize("case", transition_cases("condition"))
def test_series_of_calls_equals_the_recorded_one(case: Case) -> None:
    embed = lambda text: case.tensors[f"inputs.embed.{text}"].unsqueeze(0)  # noqa: E731
    prompts = ScopePrompts(Conditioning(embed))
    for index, call in enumerate(case.calls):
        if call.get("init_cache"):
            prompts.forget()
        embedding = prompts.call(prompts_of(call["prompts"]), call.get("transition"))
        assert prompts.encoded == call["encoded"]
        assert prompts.updated == call["embeds_updated"]
        assert prompts.transition_active == call["transition_active"]
        assert prompts.current == prompts_of(call["current_prompts"])
        expected = case.outputs(index)["conditioning"]
        case.assert_close(padded(embedding, expected), expected, f"call {index}")
