"""Attention: exact softmax over all keys of a row, whatever the kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from renderer.tiny_models import normal
from rushes.models.attention import attend

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
