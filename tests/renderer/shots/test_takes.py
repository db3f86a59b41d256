"""The seeds of several takes."""

from __future__ import annotations

import pytest

from rushes.shots.takes import SEEDS_BETWEEN_TAKES, seeds_of_takes


@pytest.mark.parametrize(
    ("asked", "in_file", "first"), [(7, 5, 7), (0, 5, 0), (None, 5, 5), (None, None, 42)], ids=str
)
def test_takes_are_counted_from_the_seed_that_counts_most(
    asked: int | None, in_file: int | None, first: int
) -> None:
    assert seeds_of_takes(3, asked, in_file) == [
        first,
        first + SEEDS_BETWEEN_TAKES,
        first + 2 * SEEDS_BETWEEN_TAKES,
    ]
