"""``rushes render --again``: results made again from their manifests."""

from __future__ import annotations

import json
import shutil

import pytest

from renders.command import Desk, manifest_in
from renders.shots import timeline, write_clip, write_sound, write_timeline


@pytest.fixture
def made(desk: Desk) -> Desk:
    """The same with a result of a clip and a sound file."""
    write_timeline(desk.folder / "shot.json", timeline(mode="video"))
    write_clip(desk.folder / "clip.mp4")
    write_sound(desk.folder / "sound.wav")
    desk.must("shot.json --input clip.mp4 --audio sound.wav --seed 7 --threads 1 -o out.mp4")
    return desk


@pytest.mark.parametrize("name", ["out.mp4", "out.mp4.json"])
def test_a_result_is_made_again(name: str, made: Desk) -> None:
    (made.folder / "shot.json").unlink()  # the plan is in the manifest
    said = made.must(f"--again {name} -o new.mp4").stderr
    assert said.splitlines()[-1] == "its frames are those of out.mp4.json"
    first, second = (manifest_in(made.folder, each) for each in ("out.mp4", "new.mp4"))
    assert {"timeline", "input", "audio", "weights"} <= set(first["sha256"])
    for part in ("frames_sha256", "sha256", "plan", "seed", "threads", "lora_folders"):
        assert first[part] == second[part]
    videos = [(made.folder / each).read_bytes() for each in ("out.mp4", "new.mp4")]
    assert videos[0] == videos[1]


def test_files_may_have_moved_with_the_manifest(made: Desk) -> None:
    moved = made.folder / "moved"
    moved.mkdir()
    for file in made.folder.glob("*.*"):
        shutil.move(file, moved)
    assert "its frames are those of" in made.must("--again moved/out.mp4 -o new.mp4").stderr


def test_other_frames_are_told_with_what_is_different(made: Desk) -> None:
    file = made.folder / "out.mp4.json"
    manifest = manifest_in(made.folder, "out.mp4")
    manifest |= {"frames_sha256": "0" * 64, "cpu_capability": "another"}
    file.write_text(json.dumps(manifest))
    said = made.must("--again out.mp4 -o new.mp4").stderr
    assert "its frames differ from those of out.mp4.json: cpu_capability was another, is" in said


def test_changed_files_are_named(made: Desk) -> None:
    write_sound(made.folder / "sound.wav", seconds=3)
    result = made.types("--again out.mp4 -o new.mp4")
    assert result.exit_code == 3
    assert "sound.wav: changed since out.mp4.json was written" in result.stderr
    (made.folder / "clip.mp4").unlink()
    result = made.types("--again out.mp4 -o new.mp4")
    assert result.exit_code == 4
    assert "clip.mp4: is not there any more" in result.stderr
    assert not (made.folder / "new.mp4").exists()


def test_what_cannot_be_made_again(desk: Desk) -> None:
    desk.must("shot.json -o out.mp4")
    for line, code, says in (
        ("shot.json --again out.mp4", 2, "leave out TIMELINE"),
        ("--again out.mp4 --seed 3 --crf 3", 2, "leave out --crf, --seed"),
        ("--again shot.json", 3, "is not the manifest of a render"),
        ("--again none.mp4", 4, "there is no manifest none.mp4.json"),
        ("--again out.mp4", 6, "is there already"),
        ("", 2, "name a timeline or workflow file, or --again MANIFEST"),
    ):
        result = desk.types(line)
        assert result.exit_code == code, result.output
        assert says in " ".join(result.stderr.replace("│", " ").split())
