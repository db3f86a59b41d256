"""The seeds of takes, from the command line."""

from __future__ import annotations

import pytest
import typer

from rushes_queue.cli.flags.take_flags import TakeFlags


@pytest.mark.parametrize(
    ("text", "seeds"), [("1,2,3", [1, 2, 3]), (" 4 ,4, 5", [4, 4, 5]), ("9" * 19, [int("9" * 19)])]
)
def test_a_list_of_seeds_is_read(text: str, seeds: list[int]) -> None:
    assert TakeFlags(seeds=text).listed() == seeds
    assert TakeFlags(seed=3).listed() is None


@pytest.mark.parametrize("text", ["", "1,", "a", "-1", "1.5", "9" * 20, "1;2"])
def test_what_is_not_a_list_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a list of seeds; write 1,2,3"):
        TakeFlags(seeds=text).listed()


@pytest.mark.parametrize(
    "takes", [TakeFlags(seed=1, seeds="1"), TakeFlags(takes=2, seeds="1")], ids=str
)
def test_a_list_of_seeds_stands_alone(takes: TakeFlags) -> None:
    with pytest.raises(typer.BadParameter, match="--seeds stands alone"):
        takes.listed()
