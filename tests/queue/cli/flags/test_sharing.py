"""The options that say how a render shares its work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import typer

from rushes_queue.cli.flags.sharing import SharingFlags


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": 2, "processes": 2}, "--rows and --processes exclude each other"),
        ({"processes": 2, "gpus": 3}, "--processes and --gpus exclude each other"),
    ],
    ids=str,
)
def test_two_ways_at_once_are_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        SharingFlags(**given).check()


def test_only_takes_of_one_timeline_are_rendered_together() -> None:
    shots: list[Any] = [SimpleNamespace(timeline_file=file) for file in ("a", "a", "a", "b", "b")]
    groups = list(SharingFlags(rows=2).together(shots))
    assert groups == [shots[:2], shots[2:3], shots[3:]]
    assert [len(group) for group in SharingFlags().together(shots)] == [1] * 5
