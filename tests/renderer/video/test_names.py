"""Where results appear, and what is named after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.video.names import name_beside, name_take, result_path


@pytest.mark.parametrize(
    ("output", "result", "manifest", "take"),
    [
        ("out/cat.mp4", "out/cat.mp4", "out/cat.mp4.json", "out/cat-7.mp4"),
        ("cat.png", "cat", "cat.png.json", "cat-7.png"),
        ("a/cat/%04d.png", "a/cat", "a/cat.png.json", "a/cat-7/%04d.png"),
        ("cat/frame_%d.PNG", "cat", "cat.png.json", "cat-7/frame_%d.PNG"),
    ],
)
def test_names_follow_the_result(output: str, result: str, manifest: str, take: str) -> None:
    path = Path(output)
    assert result_path(path) == Path(result)
    assert name_beside(path, ".json") == Path(manifest)
    assert name_take(path, 7) == Path(take)
