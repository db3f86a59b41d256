"""Differences of manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rushes.comparison.manifests import Difference, find_differences, read_manifest
from rushes.errors import ConfigError


def manifest(seed: int, *, seconds: float = 1.0, **fields: Any) -> dict[str, Any]:
    chunks = [{"index": index, "seed": seed + index // 2, "reset": False} for index in range(4)]
    return {
        "seed": seed,
        "fps": 16.0,
        "timings": {"total": seconds, "denoise": seconds},
        "peak_memory": {"host": int(seconds * 1000)},
        "plan": {"seed": seed, "prompts": {"0": [{"text": "a boat", "weight": 100.0}]}}
        | {"chunks": chunks},
        **fields,
    }


def test_equal_manifests_differ_in_nothing_but_the_time_they_took() -> None:
    found = find_differences([manifest(1), manifest(1, seconds=2.0)])
    assert found == [Difference("timings.total", (1.0, 2.0))]


def test_a_field_is_named_once_with_the_value_of_each() -> None:
    found = find_differences([manifest(1), manifest(2), manifest(1)])
    assert Difference("seed", (1, 2, 1)) in found
    assert all(each.field != "plan.seed" for each in found)


def test_chunks_are_one_difference_a_field_with_the_numbers_of_those_that_differ() -> None:
    second = manifest(1)
    second["plan"]["chunks"][2]["reset"] = second["plan"]["chunks"][3]["reset"] = True
    found = find_differences([manifest(1), second])
    assert found == [Difference("plan.chunks.reset", (False, True), chunks=(2, 3))]


def test_a_field_that_one_manifest_lacks_is_a_difference() -> None:
    found = find_differences([manifest(1), manifest(1, device="cpu")])
    assert found == [Difference("device", (None, "cpu"))]


def test_a_result_without_a_manifest_keeps_its_place_and_decides_nothing() -> None:
    assert find_differences([None, manifest(1)]) == []
    found = find_differences([manifest(1), None, manifest(3)])
    assert Difference("seed", (1, None, 3)) in found
    assert Difference("plan.chunks.seed", (1, None, 3), chunks=(0, 1, 2, 3)) in found


@pytest.mark.parametrize("content", ["[1]", "{", '"text"'])
def test_a_file_that_is_not_a_manifest_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.mp4.json").write_text(content)
    with pytest.raises(ConfigError, match=r"a\.mp4\.json: is not the manifest"):
        read_manifest(tmp_path / "a.mp4")


def test_there_may_be_no_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "a.mp4") is None
