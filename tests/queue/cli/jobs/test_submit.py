"""``rushes submit`` before anything is queued: what it says of files that were planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from farm.commands import Farm
from renders.shots import block, timeline, write_clip, write_timeline
from rushes_queue.archive.job_files import read_state
from rushes_queue.cli import app
from rushes_queue.storage.blobs import blob_key


def submit(tmp_path: Path, *arguments: object) -> Result:
    """Plan for a broker that is not there."""
    nowhere = ("--broker", "redis://127.0.0.1:1/0", "--storage", tmp_path / "storage")
    command = ["submit", "--preset", "tiny", *arguments, *nowhere]
    return CliRunner().invoke(app, list(map(str, command)))


@pytest.mark.parametrize(
    ("clip", "arguments", "code"),
    [
        ("clip.mp4", "", 5),  # planned, and then there is no broker
        ("none.mp4", "", 3),
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
    if clip == "none.mp4" and code == 3:
        assert "shots/none.mp4: there is no such input file" in result.stderr


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
    assert result.stderr.startswith(f"error: {option} 'a")
    assert len(result.stderr.splitlines()) == 1
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


LONG = "x" * 100_001
REFUSED = {  # name of the file, what is in the document, and what the message says
    "a long prompt": (
        "shot.json",
        timeline(block(LONG, 0, 1)),
        "prompts[0].prompts[0].text: has 100,001 characters; at most 100,000 are allowed",
    ),
    "a long prefix": ("shot.json", timeline(ext={"prefix": LONG}), "ext.prefix: has 100,001"),
    "an escape in a name": ("a\x1bb.json", timeline(), "its file name must be one line"),
    "half a character": ("caf\udce9.json", timeline(), "its file name must be one line"),
    "only dots": ("..json", timeline(), "its file name must be a file name without a folder"),
    "an escape in the name of a result": (
        "shot.json",
        timeline(ext={"output": {"name": "a\x1bb"}}),
        "ext.output.name: must be one line",
    ),
    "an escape in the name of a sound": (
        "shot.json",
        timeline(ext={"audio": {"uri": "a\x1bb.wav"}}),
        "ext.audio.uri: the file's name must be one line",
    ),
    "a LoRA": (
        "shot.json",
        timeline(loras=[{"path": "a\x1bb.safetensors"}]),
        "settings.loras[0].path: must end in the LoRA's file name, which must be one line",
    ),
}


@pytest.mark.parametrize("command", ["check", "plan", "render", "submit"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_no_job_can_hold_is_refused_by_every_command(
    tmp_path: Path, case: str, command: str
) -> None:
    name, document, expected = REFUSED[case]
    file = write_timeline(tmp_path / name, document)
    if command == "submit":
        result = submit(tmp_path, file)
    else:
        arguments = [command, str(file), "--preset", "tiny"]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3, result.output
    told = result.stdout if command == "check" else result.stderr
    assert expected in told, told
    assert "\x1b" not in result.output
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("text", ["x" * 100_000, "a boat\non the sea\x1b[31m"], ids=["long", "odd"])
def test_what_check_accepts_can_be_a_job(tmp_path: Path, text: str) -> None:
    file = write_timeline(tmp_path / "shot.json", timeline(block(text, 0, 1), ext={"prefix": text}))
    assert CliRunner().invoke(app, ["check", str(file)]).exit_code == 0
    assert submit(tmp_path, file).exit_code == 5  # planned, and then there is no broker


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--notify", "ftp://x/"], "--notify 'ftp://x/': is not allowed; write a web address"),
        (["--notify", "http://x/" + LONG], "--notify 'http://x/xx"),
        (["--notify", "http://x/"] * 9, "--notify: is given 9 times, at most 8 are allowed"),
        (["--tag", "a\x1b[31m"], "--tag 'a\\\\x1b[31m': is not allowed; write 1 to 64 characters"),
        (["--tag", ""], "--tag '': is not allowed"),
        (["--tag", "t"] * 33, "--tag: is given 33 times, at most 32 are allowed"),
        (["--takes", "99999999"], "99,999,999 takes are more than the 1,000 of one call"),
        (["--takes", "1000", "--seed", str(2**63 - 1)], "take 1000 would have seed"),
        (["--seeds", ",".join(map(str, range(1001)))], "1,001 takes are more than the 1,000"),
        (["--output", "a\x1bb.mp4"], "a\\x1bb.mp4: the file's name must be one line"),
        (["--input", "a\x1bb.mp4"], "a\\x1bb.mp4: the file's name must be one line"),
        (["--control", "a\x1bb.mp4"], "a\\x1bb.mp4: the file's name must be one line"),
        (["--audio", "a\x1bb.wav"], "a\\x1bb.wav: the file's name must be one line"),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, list) else "",
)
def test_options_that_no_job_can_have_are_named_with_their_cure(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    result = submit(tmp_path, write_timeline(tmp_path / "shot.json", timeline()), *arguments)
    assert result.exit_code == 3, result.output
    assert expected in result.stderr
    assert "\x1b" not in result.output


def test_faults_of_files_are_told_as_json_beside_the_jobs(farm: Farm) -> None:
    good = write_timeline(farm.folder / "good.json", timeline())
    bad = write_timeline(farm.folder / "bad.json", timeline(block("", 0, 1)))
    command = ("submit", good, bad, "--preset", "tiny", "--json")
    alone = farm.run(*command)
    assert alone.exit_code == 3
    answer = json.loads(alone.stdout)
    assert answer["jobs"] == []
    assert [error["exit_code"] for error in answer["errors"]] == [3]
    together = farm.run(*command, "--keep-going")
    assert together.exit_code == 10
    answer = json.loads(together.stdout)
    assert len(answer["jobs"]) == 1
    assert str(bad) in answer["errors"][0]["message"]


def test_a_folder_and_standard_input_become_jobs_of_their_own(farm: Farm) -> None:
    shots = farm.folder / "shots"
    shots.mkdir()
    for name, text in (("a", "a boat"), ("b", "a lake")):
        write_timeline(shots / f"{name}.json", timeline(block(text, 0, 1)))
    (shots / "a.mp4.json").write_text("{}")  # a manifest
    piped = json.dumps(timeline(block("a tree", 0, 1)))
    result = farm.run("submit", "--preset", "tiny", shots, "-", input=piped)
    assert result.exit_code == 0, result.output
    documents = [farm.document(job) for job in result.stdout.split()]
    texts = [each.plan["prompts"]["0"][0]["text"] for each in documents]
    assert texts == ["a boat", "a lake", "a tree"]
    stored = farm.storage.get_bytes(blob_key(documents[2].timeline.sha256))
    assert stored.decode() == piped
