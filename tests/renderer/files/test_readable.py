"""Numbers as people write them."""

from __future__ import annotations

import pytest

from rushes.files.readable import readable_bytes


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (507_609_880, "507.6 MB"), (11_361_920_418, "11.4 GB")],
)
def test_sizes_are_written_for_people(count: int, text: str) -> None:
    assert readable_bytes(count) == text
