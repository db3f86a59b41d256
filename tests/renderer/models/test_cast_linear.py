"""Linear layers with narrow weights compute as if the weights had been widened before."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from renders.tiny_models import normal
from rushes.models.cast_linear import CastLinear, to_fp8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_equals_a_layer_of_the_widened_weight(dtype: torch.dtype) -> None:
    stored, scale = to_fp8(normal(6, 8, seed=1))
    bias, x = normal(6, seed=2).to(dtype), normal(3, 8, seed=3).to(dtype)
    wide = stored.double() * scale.double().unsqueeze(1)
    expected = functional.linear(x.double(), wide, bias.double())
    actual = CastLinear(stored, scale, bias)(x)
    assert actual.dtype == dtype
    limit = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(actual.double(), expected, rtol=limit, atol=limit)


def test_rows_of_any_size_keep_their_precision() -> None:
    """Without scales a row of small weights would be rounded to nothing."""
    weight = normal(4, 64, seed=1) * torch.tensor([1e-6, 1e-2, 1.0, 1e4]).unsqueeze(1)
    stored, scale = to_fp8(weight)
    assert stored.dtype == torch.float8_e4m3fn
    error = (stored.float() * scale.unsqueeze(1) - weight).abs().amax(dim=1)
    assert (error <= weight.abs().amax(dim=1) / 16).all()  # 3 bits of mantissa, rounded


def test_a_row_of_zeros_stays_zero() -> None:
    stored, scale = to_fp8(torch.zeros(2, 4))
    assert (CastLinear(stored, scale)(torch.ones(1, 4)) == 0).all()
