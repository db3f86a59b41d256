"""Mixing prompt embeddings: shares, lengths and endpoints, and tokens that two prompts share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from renders.tiny_models import normal
from rushes.presets.kinds import Method
from rushes.stream.blending import blend, interpolate, normalise_weights, slerp

TOKENS, WIDTH = 4, 8

weights = st.lists(st.floats(0, 1000, allow_subnormal=False), min_size=1, max_size=5)
seeds = st.integers(0, 1000)


def embedding(seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * normal(1, TOKENS, WIDTH, seed=seed)


def equal_shares(count: int) -> Tensor:
    return normalise_weights([1.0] * count)


# --- weights -------------------------------------------------------------------------------------


@given(weights)
@settings(deadline=None)
def test_shares_sum_to_one_and_keep_their_ratio(given_weights: list[float]) -> None:
    shares = normalise_weights(given_weights)
    assert shares.sum().item() == pytest.approx(1, abs=1e-5)
    assert (shares >= 0).all()
    total = sum(given_weights)
    if total > 1e-30:  # float32 knows nothing much smaller
        assert shares.tolist() == pytest.approx([w / total for w in given_weights], abs=1e-5)


@pytest.mark.parametrize("given_weights", [[0, 0], [0, 0, 0], [-1, 0.5]], ids=str)
def test_shares_are_equal_if_the_sum_is_not_positive(given_weights: list[float]) -> None:
    assert normalise_weights(given_weights).tolist() == pytest.approx(
        [1 / len(given_weights)] * len(given_weights)
    )


# --- blends --------------------------------------------------------------------------------------


@given(st.lists(st.tuples(seeds, st.floats(0.01, 100)), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_a_blend_is_as_long_as_its_parts_on_average(parts: list[tuple[int, float]]) -> None:
    embeddings = [embedding(seed, scale=1 + seed % 3) for seed, _ in parts]
    shares = normalise_weights([weight for _, weight in parts])
    wanted = sum(
        share * part.norm().item() for share, part in zip(shares.tolist(), embeddings, strict=True)
    )
    assert blend(embeddings, shares).norm().item() == pytest.approx(wanted, rel=1e-4)


def test_a_single_prompt_passes_through() -> None:
    torch.testing.assert_close(blend([embedding()], equal_shares(1)), embedding())


def test_the_order_of_the_parts_makes_no_difference() -> None:
    first, second, third = (embedding(seed) for seed in range(3))
    shares = normalise_weights([1, 2, 5])
    turned = blend([third, first, second], shares[[2, 0, 1]])
    torch.testing.assert_close(turned, blend([first, second, third], shares))


def test_a_prompt_without_weight_does_not_count() -> None:
    alone = blend([embedding(1)], equal_shares(1))
    torch.testing.assert_close(
        blend([embedding(1), embedding(2)], normalise_weights([3, 0])), alone
    )


def test_opposite_prompts_cancel_without_blowing_up() -> None:
    assert not blend([embedding(), -embedding()], equal_shares(2)).any()


@pytest.mark.parametrize("method", ["linear", "slerp"])
def test_a_blend_has_the_dtype_of_its_parts(method: Method) -> None:
    parts = [embedding(seed).bfloat16() for seed in range(2)]
    assert blend(parts, equal_shares(2), method).dtype == torch.bfloat16


def test_slerp_of_two_goes_by_the_share_of_the_second() -> None:
    parts = [embedding(1), embedding(2)]
    blended = blend(parts, normalise_weights([3, 1]), "slerp")
    assert torch.equal(blended, slerp(parts[0], parts[1], 0.25))


def test_more_than_two_prompts_are_always_mixed_linearly() -> None:
    parts = [embedding(seed) for seed in range(3)]
    mixed = [blend(parts, equal_shares(3), method) for method in ("linear", "slerp")]
    assert torch.equal(*mixed)


# --- between two embeddings ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["linear", "slerp"])
@pytest.mark.parametrize(("weight", "end"), [(0.0, 0), (1.0, 1)])
def test_interpolation_begins_and_ends_at_the_embeddings(
    method: Method, weight: float, end: int
) -> None:
    ends = [embedding(1), embedding(2, scale=3)]
    torch.testing.assert_close(interpolate(ends[0], ends[1], weight, method), ends[end])


@pytest.mark.parametrize("method", ["linear", "slerp"])
def test_halfway_is_the_same_from_both_sides(method: Method) -> None:
    first, second = embedding(1), embedding(2)
    there, back = (interpolate(*pair, 0.5, method) for pair in ((first, second), (second, first)))
    torch.testing.assert_close(there, back)


@given(seeds, st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_slerp_keeps_the_length_of_tokens_of_one_length(seed: int, weight: float) -> None:
    first, second = (torch.nn.functional.normalize(embedding(s), dim=-1) for s in (seed, seed + 1))
    lengths = slerp(first, second, weight).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_tokens_that_two_prompts_share_do_not_collapse(weight: float) -> None:
    """The reference turns such tokens to zero unless all tokens are shared."""
    first, second = embedding(1), embedding(2)
    second[:, 0] = first[:, 0]
    second[:, 1] = 2 * first[:, 1]
    mixed = slerp(first, second, weight)
    torch.testing.assert_close(mixed[:, 0], first[:, 0], rtol=1e-4, atol=0)
    torch.testing.assert_close(mixed[:, 1], (1 + weight) * first[:, 1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("distance", [1e-7, 1e-5, 1e-4, 3e-4, 1e-3, 1e-2])
def test_tokens_that_are_nearly_alike_are_mixed_smoothly(distance: float) -> None:
    first = embedding(1)
    second = first + distance * embedding(2)
    mixed = slerp(first, second, 0.5)
    torch.testing.assert_close(mixed, (first + second) / 2, rtol=1e-3, atol=1e-4)


def test_padding_rows_stay_zero() -> None:
    first, second = embedding(1), embedding(2)
    first[:, 2:] = second[:, 2:] = 0
    assert not slerp(first, second, 0.4)[:, 2:].any()


def test_a_token_that_only_one_prompt_has_fades_in() -> None:
    first, second = embedding(1), embedding(2)
    first[:, 0] = 0
    lengths = [slerp(first, second, weight)[0, 0].norm().item() for weight in (0.0, 0.4, 0.8, 1.0)]
    assert lengths[0] == 0
    assert lengths == sorted(lengths)
    assert lengths[-1] == pytest.approx(second[0, 0].norm().item())


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_opposite_tokens_stay_finite(weight: float) -> None:
    mixed = slerp(embedding(1), -embedding(1), weight)
    assert mixed.isfinite().all()
    assert mixed.norm() <= 2 * embedding(1).norm()


def test_each_method_goes_its_own_way() -> None:
    """Half-way between two directions at a right angle: the chord, or the arc."""
    source, target = torch.eye(2).unsqueeze(1)  # [1, 2] each
    straight = interpolate(source, target, 0.5, "linear")
    torch.testing.assert_close(straight, torch.tensor([[0.5, 0.5]]))
    around = interpolate(source, target, 0.5, "slerp")
    torch.testing.assert_close(around, torch.full((1, 2), 0.5**0.5), rtol=0, atol=1e-5)
