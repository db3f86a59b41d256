"""Rotary positions: only differences count, and the table has an end."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal
from rushes.errors import ShapeError
from rushes.models.rope import (
    MAX_POSITION,
    RotaryEmbedding,
    _turn_pairs,
    axis_pairs,
    rotary_table,
    rotate,
    turn,
)

HEAD_DIM = 20  # 6, 6 and 8 numbers turn with height, width and time
Grid = tuple[int, int, int]

ROTARY = RotaryEmbedding(HEAD_DIM)


def turned(vector: Tensor, start_frame: int, grid: Grid) -> Tensor:
    """Rotate one vector as every token of a chunk: [S, D]."""
    tokens = vector.expand(1, grid[0] * grid[1] * grid[2], 1, HEAD_DIM)
    return rotate(tokens, ROTARY.factors([start_frame], *grid))[0, :, 0]


def scores(query_start: int, key_start: int, grid: Grid) -> Tensor:
    """Score the same query against the same key from everywhere to everywhere: [S, S]."""
    query, key = normal(HEAD_DIM, seed=1), normal(HEAD_DIM, seed=2)
    return turned(query, query_start, grid) @ turned(key, key_start, grid).T


@pytest.mark.parametrize("shift", [1, 7, 500, 1019])
def test_scores_depend_on_differences_of_frames_only(shift: int) -> None:
    early, late = scores(3, 0, (2, 2, 3)), scores(3 + shift, shift, (2, 2, 3))
    torch.testing.assert_close(late, early, rtol=0, atol=1e-5)


def test_scores_depend_on_differences_of_rows_and_columns_only() -> None:
    grid = (2, 3, 4)
    places = list(product(*map(range, grid)))
    by_difference: dict[tuple[int, ...], list[float]] = {}
    for (query, key), score in zip(
        product(places, places), scores(5, 5, grid).flatten().tolist(), strict=True
    ):
        difference = tuple(b - a for a, b in zip(query, key, strict=True))
        by_difference.setdefault(difference, []).append(score)
    spreads = [max(found) - min(found) for found in by_difference.values()]
    assert max(spreads) < 1e-5
    distinct = sorted(found[0] for found in by_difference.values())
    assert min(after - before for before, after in pairwise(distinct)) > 1e-5


def test_rotation_keeps_lengths() -> None:
    vector = normal(HEAD_DIM, seed=3)
    lengths = turned(vector, 1000, (3, 2, 2)).norm(dim=-1)
    torch.testing.assert_close(lengths, vector.norm().expand_as(lengths))


def test_position_zero_is_left_alone() -> None:
    vector = normal(HEAD_DIM, seed=3)
    assert torch.equal(turned(vector, 0, (1, 1, 1))[0], vector)


def test_frames_follow_each_other_from_the_start_frame() -> None:
    vector = normal(HEAD_DIM, seed=3)
    together = turned(vector, 40, (3, 2, 2))
    alone = [turned(vector, 40 + frame, (1, 2, 2)) for frame in range(3)]
    assert torch.equal(together, torch.cat(alone))


def test_each_start_frame_gives_a_row() -> None:
    starts = [0, 17, 1021]
    factors = ROTARY.factors(starts, 3, 2, 2)
    assert factors.cos.shape == factors.sin.shape == (3, 12, 1, HEAD_DIM // 2)
    for row, start in enumerate(starts):
        alone = ROTARY.factors([start], 3, 2, 2)
        assert torch.equal(factors.cos[row], alone.cos[0])
        assert torch.equal(factors.sin[row], alone.sin[0])


@pytest.mark.parametrize(("start", "num_frames"), [(1022, 2), (1023, 1), (0, 1024)])
def test_the_last_frames_of_the_table_can_be_used(start: int, num_frames: int) -> None:
    assert ROTARY.factors([start], num_frames, 1, 1).cos.shape[1] == num_frames


@pytest.mark.parametrize(("start", "num_frames"), [(1023, 2), (1024, 1), (5000, 1), (-1, 1)])
def test_frames_beyond_the_table_are_refused(start: int, num_frames: int) -> None:
    with pytest.raises(ShapeError, match="1024"):
        ROTARY.factors([0, start], num_frames, 1, 1)


def test_the_result_has_the_dtype_of_the_input() -> None:
    x = normal(1, 4, 2, HEAD_DIM).bfloat16()
    assert rotate(x, ROTARY.factors([9], 1, 2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("head_dim", "pairs"), [(128, (22, 21, 21)), (32, (6, 5, 5)), (12, (2, 2, 2))]
)
def test_a_head_is_divided_among_the_axes(head_dim: int, pairs: tuple[int, int, int]) -> None:
    """Widths of the public models: 44, 42 and 42 of 128."""
    assert axis_pairs(head_dim) == pairs
    assert rotary_table(head_dim).shape == (MAX_POSITION, head_dim // 2)


def test_each_axis_starts_again_at_frequency_one() -> None:
    frequencies = rotary_table(128)[1]
    assert frequencies[[0, 22, 43]].tolist() == [1.0, 1.0, 1.0]
    assert frequencies[21].item() == pytest.approx(10000 ** (-42 / 44), rel=1e-12)
    assert frequencies[42].item() == pytest.approx(10000 ** (-40 / 42), rel=1e-12)


@pytest.mark.parametrize("beside", [(), (3,)], ids=["alone", "three side by side"])
def test_where_there_are_no_complex_numbers_pairs_turn_alike(beside: tuple[int, ...]) -> None:
    factors = ROTARY.factors([5], 2, 2, 3)
    x = normal(1, 12, *beside, 2, HEAD_DIM)
    by_hand = _turn_pairs(x.unflatten(-1, (-1, 2)), factors)
    torch.testing.assert_close(by_hand, turn(x, factors), rtol=0, atol=1e-6)
