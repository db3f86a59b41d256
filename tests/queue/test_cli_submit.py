"""``rushes submit`` before anything is queued: what it says of files that were planned."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from renderer.shots import timeline, write_clip, write_timeline
from rushes_queue.cli import app


def test_a_file_that_goes_without_the_input_is_named_once(tmp_path: Path) -> None:
    text = write_timeline(tmp_path / "text.json", timeline())
    video = write_timeline(tmp_path / "video.json", timeline(mode="video"))
    clip = write_clip(tmp_path / "clip.mp4")
    nowhere = ("--broker", "redis://127.0.0.1:1/0", "--storage", str(tmp_path / "storage"))
    files = (str(text), str(video), "--input", str(clip))
    result = CliRunner().invoke(app, ["submit", *files, "--takes", "3", *nowhere])
    assert result.exit_code == 5, result.output
    notes = [line for line in result.stderr.splitlines() if "without the input" in line]
    assert notes == [f"note: {text}: is text to video, without the input"]
