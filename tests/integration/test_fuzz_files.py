"""Damaged documents, videos, LoRAs and weights through the real commands: always an answer.

The long form, of ``make test-long``, tries as many as the full run of ``farm.fuzz``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.fuzz import FULL, KINDS, run

SHORT = {"documents": 60, "videos": 12, "loras": 10, "weights": 10}


@pytest.mark.parametrize(
    ("kind", "seed"), [(kind, seed) for kind, count in SHORT.items() for seed in range(count)]
)
def test_damaged_files_get_an_answer(kind: str, seed: int, tmp_path: Path) -> None:
    KINDS[kind](seed, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", FULL)
def test_thousands_of_damaged_files_get_an_answer(kind: str) -> None:
    assert run({kind: FULL[kind]})[kind]["faults"] == []
