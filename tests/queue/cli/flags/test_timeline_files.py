"""Which files are meant by the arguments of commands."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from renders.shots import timeline, write_clip, write_timeline
from rushes.errors import ConfigError, MissingFileError
from rushes_queue.cli import app
from rushes_queue.cli.flags.timeline_files import (
    STDIN,
    TimelineFile,
    find_timeline,
    find_timelines,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shots = tmp_path / "shots"
    shots.mkdir()
    write_timeline(shots / "b.json", timeline())
    write_timeline(shots / "a.json", timeline())
    for name in ("b.mp4.json", "b.png.JSON", ".hidden.json", "notes.txt"):
        (shots / name).write_text("{}")
    (shots / "more.json").mkdir()
    return shots


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), input=stdin)


def test_a_folder_stands_for_its_timelines_by_name_without_manifests(folder: Path) -> None:
    found = [file.path.name for file in find_timelines([folder])]
    assert found == ["a.json", "b.json"]


def test_a_file_that_is_named_twice_is_meant_once(folder: Path) -> None:
    found = find_timelines([folder / "b.json", folder, folder / "none.json"])
    assert [file.path.name for file in found] == ["b.json", "a.json", "none.json"]


def test_a_folder_without_timelines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="holds no timeline"):
        find_timelines([tmp_path])


def test_where_one_file_is_meant_a_folder_must_hold_one(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds 2 files \(a\.json, b\.json\); name one"):
        find_timeline(folder)
    (folder / "a.json").unlink()
    assert find_timeline(folder) == TimelineFile.at(folder / "b.json")


def test_standard_input_lies_here_under_a_name_from_its_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"content")))
    first, again = find_timelines([STDIN]), find_timeline(STDIN)
    assert first == [again]
    assert again.path == Path("timeline-ed7002b4.json")
    assert again.kept_at is not None
    assert again.kept_at.read_bytes() == b"content"


def test_check_reads_standard_input_and_calls_it_so() -> None:
    result = run("check", "-", stdin=json.dumps(timeline()))
    assert (result.exit_code, result.stdout) == (
        0,
        "standard input: ok for streamdiffusionv2-1.3b\n",
    )
    result = run("check", "-", "--json", stdin='{"prompts": 5}')
    assert result.exit_code == 3
    assert json.loads(result.stdout)[0]["file"] == "standard input"


def test_check_takes_a_folder(folder: Path) -> None:
    result = run("check", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{folder}/{name}.json: ok for streamdiffusionv2-1.3b" for name in "ab"
    ]


def test_what_a_timeline_of_standard_input_names_is_looked_for_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4")
    document = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})
    result = run("plan", "-", "--preset", "tiny", stdin=json.dumps(document))
    assert result.exit_code == 0, result.output
    assert "there is no input" not in result.stderr


def test_a_render_of_standard_input_is_that_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_timeline(tmp_path / "shot.json", timeline())
    how = ("--preset", "pocket", "--duration", "0.3")
    assert run("render", file, *how).exit_code == 0
    result = run("render", "-", *how, "-o", "piped.mp4", stdin=file.read_text())
    assert result.exit_code == 0, result.output
    ours, theirs = (
        json.loads((tmp_path / f"{name}.mp4.json").read_text()) for name in ("piped", "shot")
    )
    assert ours["frames_sha256"] == theirs["frames_sha256"]
    assert ours["sha256"]["timeline"] == theirs["sha256"]["timeline"]


def test_convert_reads_standard_input() -> None:
    result = run("convert", "-", "--fps", "8", "--length", "16", stdin='{"0": "a", "8": "b"}')
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["prompts"]) == 2


def test_fetch_loras_reads_standard_input() -> None:
    result = run("models", "fetch-loras", "-", "--json", stdin="[]")
    assert result.exit_code == 3
    assert "standard input: " in result.stderr
