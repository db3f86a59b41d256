"""The seeds of several takes."""

from __future__ import annotations

from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes.shots.takes import MOST_TAKES, SEEDS_BETWEEN_TAKES, seeds_of_takes, wanted_seeds


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


def test_one_take_is_left_to_the_timeline_unless_a_seed_is_given() -> None:
    assert wanted_seeds(5) == [None]
    assert wanted_seeds(5, seed=7) == [7]


def test_so_many_takes_or_a_list_that_names_each_seed_once() -> None:
    assert wanted_seeds(5, seed=7, takes=2) == [7, 7 + SEEDS_BETWEEN_TAKES]
    assert wanted_seeds(5, seeds=[3, 1, 3]) == [3, 1]


@pytest.mark.parametrize("how", [{"takes": MOST_TAKES + 1}, {"seeds": range(MOST_TAKES + 1)}])
def test_too_many_takes_are_refused_however_they_are_asked_for(how: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="1,001 takes are more than the 1,000 of one call"):
        wanted_seeds(5, **how)
