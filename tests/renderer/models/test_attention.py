"""Attention: exact softmax over all keys of a row, whatever the kernel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal
from rushes.models.attention import (
    SDPA,
    attend,
    attend_plainly,
    chosen_kernel,
    load_kernel,
    preferred_kernels,
)

BATCH, QUERIES, KEYS, HEADS, WIDTH = 2, 3, 5, 2, 8


def operands() -> tuple[Tensor, Tensor, Tensor]:
    return (
        normal(BATCH, QUERIES, HEADS, WIDTH, seed=1),
        normal(BATCH, KEYS, HEADS, WIDTH, seed=2),
        normal(BATCH, KEYS, HEADS, WIDTH, seed=3),
    )


def test_attention_equals_its_definition_in_double_precision() -> None:
    q, k, v = operands()
    scores = torch.einsum("bqnd,bknd->bnqk", q.double(), k.double()) / WIDTH**0.5
    expected = torch.einsum("bnqk,bknd->bqnd", scores.softmax(-1), v.double())
    torch.testing.assert_close(attend(q, k, v).double(), expected, rtol=1e-5, atol=1e-6)


def test_the_order_of_the_keys_makes_no_difference() -> None:
    q, k, v = operands()
    order = [3, 0, 4, 2, 1]
    torch.testing.assert_close(attend(q, k[:, order], v[:, order]), attend(q, k, v))


def test_a_single_key_gives_its_value_to_every_query() -> None:
    q, k, v = operands()
    out = attend(q, k[:, :1], v[:, :1])
    torch.testing.assert_close(out, v[:, :1].expand_as(out))


def test_rows_and_heads_are_apart() -> None:
    q, k, v = operands()
    changed = v.clone()
    changed[1, :, 0] += 1
    difference = (attend(q, k, changed) - attend(q, k, v)).abs().amax(dim=(1, 3))
    assert (difference > 1e-3).tolist() == [[False, False], [True, False]]


def test_rows_of_unequal_lengths_see_what_is_theirs() -> None:
    q, k, v = operands()
    out = attend(q, k, v, lengths=[2, 5])
    torch.testing.assert_close(out[:1], attend(q[:1], k[:1, :2], v[:1, :2]))
    torch.testing.assert_close(out[1:], attend(q[1:], k[1:], v[1:]))


# --- which kernel --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "dtype", "names"),
    [
        (None, torch.bfloat16, ("sdpa",)),
        ((7, 5), torch.float16, ("sdpa",)),
        ((8, 6), torch.bfloat16, ("flash-attn 2", "sdpa")),
        ((8, 9), torch.float32, ("sdpa",)),
        ((9, 0), torch.bfloat16, ("flash-attn 3", "flash-attn 2", "sdpa")),
        ((10, 0), torch.bfloat16, ("flash-attn 2", "sdpa")),
    ],
    ids=str,
)
def test_a_gpu_gets_the_kernels_that_were_made_for_it(
    capability: tuple[int, int] | None, dtype: torch.dtype, names: tuple[str, ...]
) -> None:
    assert preferred_kernels(capability, dtype) == names


def test_a_cpu_uses_the_plain_function_and_the_choice_is_made_once() -> None:
    cpu = torch.device("cpu")
    assert chosen_kernel(cpu, torch.float32) == (SDPA, attend_plainly)
    assert chosen_kernel(cpu, torch.float32) is chosen_kernel(cpu, torch.float32)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_kernel_here_agrees_with_the_plain_one() -> None:
    device = torch.device("cuda")
    q, k, v = (tensor.to(device, torch.bfloat16) for tensor in operands())
    for name in preferred_kernels(torch.cuda.get_device_capability(device), torch.bfloat16):
        kernel = load_kernel(name)
        if kernel is not None:
            torch.testing.assert_close(kernel(q, k, v), attend_plainly(q, k, v), atol=0.02, rtol=0)
