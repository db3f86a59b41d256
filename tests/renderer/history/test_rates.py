"""What is kept of earlier renders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rushes.history.rates import Kind, Rate, note_render, read_rates

KIND = Kind("pocket", "wan", "cpu", "float32", 80, 64, 2)


def manifest(seconds: float, num_frames: int = 100, **more: Any) -> dict[str, Any]:
    steps = [[1000, 750], [1000, 750], [1000]]
    chunks = [{"denoising_steps": each} for each in steps]
    return {
        "preset": "pocket",
        "device": "cpu",
        "dtype": "float32",
        "width": 80,
        "height": 64,
        "num_frames": num_frames,
        "timings": {"total": seconds},
        "resumed_at_chunk": 0,
        "plan": {"vae_type": "wan", "chunks": chunks},
    } | more


def test_a_render_is_noted_by_its_kind(tmp_path: Path) -> None:
    note_render(tmp_path / "new", manifest(10.0), 5000)
    note_render(tmp_path / "new", manifest(20.0), None)
    note_render(tmp_path / "new", manifest(5.0, width=160), None)
    first, other = read_rates(tmp_path / "new")
    assert first == Rate(KIND, (0.1, 0.2), (50.0,))
    assert first.seconds_per_frame == pytest.approx(0.15)
    assert first.bytes_per_frame == 50.0
    assert (other.kind.width, other.bytes_per_frame) == (160, None)


def test_only_the_last_renders_count(tmp_path: Path) -> None:
    for seconds in range(1, 21):
        note_render(tmp_path, manifest(float(seconds)), 100)
    (rate,) = read_rates(tmp_path)
    assert rate.seconds == tuple(seconds / 100 for seconds in range(13, 21))
    assert len(rate.num_bytes) == 8


def test_resumed_and_very_short_renders_do_not_count(tmp_path: Path) -> None:
    note_render(tmp_path, manifest(1.0, resumed_at_chunk=3), 100)
    note_render(tmp_path, manifest(1.0, num_frames=5), 100)
    assert read_rates(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", '{"rates": [{"preset": "x"}]}', '{"rates": 5}'])
def test_a_damaged_file_counts_as_none_and_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "rates.json").write_text(content)
    assert read_rates(tmp_path) == []
    note_render(tmp_path, manifest(10.0), None)
    assert len(read_rates(tmp_path)) == 1


def test_a_machine_that_cannot_keep_it_goes_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    note_render(tmp_path / "file", manifest(10.0), None)
    assert read_rates(tmp_path / "file") == []
