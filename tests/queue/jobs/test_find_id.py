"""The id of a job from its first characters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rushes_queue.errors import AmbiguousJobError, UnknownJobError
from rushes_queue.jobs.find_id import find_id

IDS = ["0a1b2c3d4e5f6071", "0a1b2c3d4e5f6072", "ffff000000000000"]


def ids(prefix: str, limit: int) -> Sequence[str]:
    return [each for each in IDS if each.startswith(prefix)][:limit]


@pytest.mark.parametrize("prefix", ["ffff", "ffff0", IDS[2]])
def test_a_start_that_fits_one_id_is_enough(prefix: str) -> None:
    assert find_id(prefix, ids) == IDS[2]


def test_a_start_that_fits_several_names_them() -> None:
    with pytest.raises(AmbiguousJobError, match=f"start of {IDS[0]}, {IDS[1]}; write more"):
        find_id("0a1b", ids)


def test_a_short_start_is_refused_even_if_it_fits_one() -> None:
    with pytest.raises(AmbiguousJobError, match="'fff' is too short; write at least 4"):
        find_id("fff", ids)


@pytest.mark.parametrize("prefix", ["", "abcd", "FFFF", "ffff*", "f" * 17, "not an id"])
def test_what_fits_no_id_is_unknown(prefix: str) -> None:
    with pytest.raises(UnknownJobError, match="is unknown; see rushes jobs"):
        find_id(prefix, ids)
