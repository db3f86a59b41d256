"""``rushes submit`` before anything is queued: what it says of files that were planned."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from farm.commands import Farm
from renders.shots import timeline, write_clip, write_timeline
from rushes_queue.archive.job_files import read_state
from rushes_queue.cli import app


def submit(tmp_path: Path, *arguments: object) -> Result:
    """Plan for a broker that is not there."""
    nowhere = ("--broker", "redis://127.0.0.1:1/0", "--storage", tmp_path / "storage")
    command = ["submit", "--preset", "tiny", *arguments, *nowhere]
    return CliRunner().invoke(app, list(map(str, command)))


@pytest.mark.parametrize(
    ("clip", "arguments", "code"),
    [
        ("clip.mp4", "", 5),  # planned, and then there is no broker
        ("none.mp4", "", 4),
        ("none.mp4", "--input other.mp4", 5),
        ("none.mp4", "--mode text", 5),
        (None, "", 3),
    ],
)
def test_the_input_may_be_named_by_the_timeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: str | None, arguments: str, code: int
) -> None:
    (tmp_path / "shots").mkdir()
    ext = {} if clip is None else {"ext": {"schema": 1, "inputs": [{"uri": clip}]}}
    shot = write_timeline(tmp_path / "shots" / "shot.json", timeline(mode="video") | ext)
    write_clip(tmp_path / "shots" / "clip.mp4")
    write_clip(tmp_path / "other.mp4")
    monkeypatch.chdir(tmp_path)
    result = submit(tmp_path, shot, *arguments.split())
    assert result.exit_code == code, result.output
    if code == 4:
        assert "shots/none.mp4: there is no such file" in result.stderr


def test_a_file_that_goes_without_the_input_is_named_once(tmp_path: Path) -> None:
    text = write_timeline(tmp_path / "text.json", timeline())
    video = write_timeline(tmp_path / "video.json", timeline(mode="video"))
    clip = write_clip(tmp_path / "clip.mp4")
    result = submit(tmp_path, text, video, "--input", clip, "--takes", 3)
    assert result.exit_code == 5, result.output
    notes = [line for line in result.stderr.splitlines() if "without the input" in line]
    assert notes == [f"note: {text}: is text to video, without the input"]


@pytest.mark.parametrize("option", ["--tag", "--notify"])
def test_what_no_job_can_have_is_said_in_one_line_before_anything_is_stored(
    tmp_path: Path, option: str
) -> None:
    shot = write_timeline(tmp_path / "shot.json", timeline())
    result = submit(tmp_path, shot, option, "a\tb")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: this cannot be a job: ")
    assert not (tmp_path / "storage").exists()


def test_after_a_submission_that_failed_half_way_the_next_one_counts(farm: Farm) -> None:
    first = farm.submit()
    shot = write_timeline(farm.folder / "shot.json", timeline())
    command = ("submit", "--preset", "tiny", shot)
    failed = farm.run(*command, "--tag", "a", "--broker", "redis://127.0.0.1:1/0")
    assert failed.exit_code == 5, failed.output
    wishes = ("--priority", "high", "--tag", "b", "--after", first, "--notify", "http://x.org/")
    result = farm.run(*command, *wishes)
    assert result.exit_code == 0, result.output
    record = farm.store.get(result.stdout.strip())
    assert (record.tags, record.priority, record.waiting_for) == (("b",), "high", (first,))
    assert record.queue == "tiny.any.high"
    assert record.notify == ("http://x.org/",)
    assert farm.document(record.id).tags == ("a",)
    assert read_state(farm.storage, record.id).tags == ("b",)
