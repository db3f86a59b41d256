"""Prompt blending against recorded blends."""

from __future__ import annotations

import pytest
import torch

from references.cases import Case, cases_of
from rushes.stream.blending import blend, normalise_weights


@pytest.mark.parametrize("case", cases_of("blending"))
def test_blend_equals_the_recorded_one(case: Case) -> None:
    """Where the reference's slerp collapses a token to zero, ours gives the recorded lerp."""
    dtype = getattr(torch, case.config["weight_dtype"].removeprefix("torch."))
    for index, call in enumerate(case.calls):
        outputs = case.outputs(index)
        embeddings = [case.tensors[f"inputs.embed.{which}"] for which in call["embeds"]]
        weights = normalise_weights(call["weights"], dtype)
        case.assert_close(weights, outputs["normalized_weights"], f"call {index} weights")
        actual = blend(embeddings, weights, call["method"])
        expected = outputs["blend"]
        if "quirk" in call:
            expected = torch.where(outputs["row_ok"].unsqueeze(-1), expected, outputs["lerp"])
        case.assert_close(actual, expected, f"call {index}")
