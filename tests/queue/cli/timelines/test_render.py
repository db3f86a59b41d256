"""``rushes render`` as a user meets it: a process, its files, exit codes, signals and output."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from checkout import ROOT
from renders.command import RUSHES, Finished, Rushes, rendering
from renders.shots import (
    block,
    moving,
    picture_size,
    read_movie,
    timeline,
    write_clip,
    write_sound,
    write_timeline,
)

LONG_SECONDS = 60  # of a result; far longer to render than a signal takes to arrive


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def error_lines(result: Finished) -> list[str]:
    return [line for line in result.stderr.splitlines() if line.startswith("error:")]


# --- what is refused -----------------------------------------------------------------------------


@dataclass
class Refusal:
    """A command that must fail: its arguments in a folder, its exit code, and what it says."""

    arguments: str
    code: int
    says: str
    files: dict[str, Callable[[Path], object]] = field(default_factory=dict)


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def shot(mode: str = "text") -> Callable[[Path], object]:
    return lambda path: write_timeline(path, timeline(mode=mode))


def cut_clip(path: Path) -> None:
    whole = write_clip(path, moving(64)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


TEXT_SHOT = {"shot.json": shot()}
VIDEO_SHOT = {"shot.json": shot("video")}

REFUSALS = {
    "missing timeline": Refusal("none.json", 4, "there is no such file"),
    "invalid timeline": Refusal(
        "shot.json", 3, "prompts: is empty", {"shot.json": text('{"prompts": []}')}
    ),
    "missing input": Refusal("shot.json --input none.mp4", 4, "there is no such file", VIDEO_SHOT),
    "text as input": Refusal(
        "shot.json --input clip.mp4",
        3,
        "clip.mp4: is",
        VIDEO_SHOT | {"clip.mp4": text("just some words\n" * 50)},
    ),
    "truncated input": Refusal(
        "shot.json --input clip.mp4", 3, "clip.mp4: is", VIDEO_SHOT | {"clip.mp4": cut_clip}
    ),
    "empty input": Refusal(
        "shot.json --input clip.mp4", 3, "is empty", VIDEO_SHOT | {"clip.mp4": text("")}
    ),
    "sound as input": Refusal(
        "shot.json --input clip.m4a", 3, "no pictures", VIDEO_SHOT | {"clip.m4a": write_sound}
    ),
    "text to video with an input": Refusal(
        "shot.json --input clip.mp4", 3, "is text to video", TEXT_SHOT | {"clip.mp4": write_clip}
    ),
    "video to video without an input": Refusal("shot.json", 3, "give --input VIDEO", VIDEO_SHOT),
    "result in place of its input": Refusal(
        "shot.json --input out.mp4 --force",
        3,
        "would replace its own source",
        VIDEO_SHOT | {"out.mp4": write_clip},
    ),
    "existing result": Refusal(
        "shot.json", 6, "out.mp4: is there already", TEXT_SHOT | {"out.mp4": text("mine")}
    ),
    "result without a name": Refusal("shot.json -o . --takes 2", 3, "names no file", TEXT_SHOT),
    "result with too long a name": Refusal(
        f"shot.json -o {'a' * 300}.mp4", 3, "at most 255 bytes long", TEXT_SHOT
    ),
    "result below a file": Refusal(
        "shot.json -o shot.json/out.mp4", 1, "is not a folder", TEXT_SHOT
    ),
    "absent device": Refusal("shot.json --device cuda:99", 3, "there is", TEXT_SHOT),
    "absent weights": Refusal(
        "shot.json --preset streamdiffusionv2-1.3b", 1, "or try --preset pocket", TEXT_SHOT
    ),
    "cache below a file": Refusal(
        "shot.json --cache-dir shot.json/cache", 1, "shot.json/cache", TEXT_SHOT
    ),
    "kind of result that is none, before the weights are looked for": Refusal(
        "shot.json --preset streamdiffusionv2-1.3b -o out.avi", 3, "is not a kind", TEXT_SHOT
    ),
    "size that is none": Refusal("shot.json --size big", 2, "is not a size", TEXT_SHOT),
    "two ways to share": Refusal(
        "shot.json --rows 2 --gpus 2", 2, "--rows and --gpus exclude each other", TEXT_SHOT
    ),
    "processes without sections": Refusal(
        "shot.json --processes 2", 3, "one section without a reset", TEXT_SHOT
    ),
    "ranks without blocks": Refusal("shot.json --gpus 9", 3, "blocks to share", TEXT_SHOT),
    "seeds beside takes": Refusal(
        "shot.json --seeds 1,2 --takes 2", 2, "--seeds stands alone", TEXT_SHOT
    ),
}


@dataclass(frozen=True)
class Refused:
    result: Finished
    before: dict[str, bytes]
    after: dict[str, bytes]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


@pytest.fixture(scope="module")
def refusals(rushes: Rushes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Refused]:
    """Run all commands that must fail."""

    def run(refusal: Refusal) -> Refused:
        folder = tmp_path_factory.mktemp("refusal")
        for name, make in refusal.files.items():
            make(folder / name)
        before = contents(folder)
        arguments = refusal.arguments.split()
        output = [] if "-o" in arguments else ["-o", "out.mp4"]
        result = rushes.run("render", *arguments, *output, cwd=folder)
        return Refused(result, before, contents(folder))

    return {name: run(refusal) for name, refusal in REFUSALS.items()}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_render_that_cannot_be_is_refused_with_its_exit_code(
    name: str, refusals: dict[str, Refused]
) -> None:
    result = refusals[name].result
    assert result.returncode == REFUSALS[name].code, result.stderr
    assert REFUSALS[name].says in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_line_on_stderr(name: str, refusals: dict[str, Refused]) -> None:
    result = refusals[name].result
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if REFUSALS[name].code == 2:  # typer frames what is wrong with the command line itself
        assert result.stderr.count("Error") == 1
        return
    assert len(error_lines(result)) == 1, result.stderr
    assert result.stderr.splitlines()[-1] == error_lines(result)[0]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_leaves_the_folder_as_it_was(name: str, refusals: dict[str, Refused]) -> None:
    assert refusals[name].after == refusals[name].before


# --- what is made --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(rushes: Rushes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """One render with --json, looked at by several tests."""
    folder = tmp_path_factory.mktemp("made")
    write_timeline(folder / "shot.json", timeline(block("a boat", 0, 3)))
    return folder, rushes.run("render", "shot.json", "-o", "out.mp4", "--json", cwd=folder)


def test_a_render_makes_video_manifest_and_contact_sheet(made: tuple[Path, Finished]) -> None:
    folder, result = made
    assert result.returncode == 0, result.stderr
    assert files(folder) == ["out.mp4", "out.mp4.json", "out.mp4.png", "shot.json"]
    assert read_movie(folder / "out.mp4").shape == (48, 64, 64, 3)
    assert picture_size(folder / "out.mp4.png")[0] > 64


def test_json_is_one_object_that_names_the_files_and_what_is_in_them(
    made: tuple[Path, Finished],
) -> None:
    folder, result = made
    (line,) = result.stdout.splitlines()
    answer = json.loads(line)
    names = {"output": "out.mp4", "manifest": "out.mp4.json", "contact_sheet": "out.mp4.png"}
    assert {name: answer[name] for name in names} == names
    manifest = json.loads((folder / "out.mp4.json").read_text())
    assert answer["frames_sha256"] == manifest["frames_sha256"]
    assert (answer["num_frames"], answer["preset"], answer["seed"]) == (48, "pocket", 42)


def test_progress_is_plain_lines_where_no_terminal_is(made: tuple[Path, Finished]) -> None:
    lines = [line for line in made[1].stderr.splitlines() if line.startswith("chunk")]
    shares = [int(line.split()[3].split("/")[0]) / 48 for line in lines]
    assert shares == sorted(shares)
    assert 5 <= len(lines) <= 10  # one each tenth
    assert shares[-1] > 0.9
    assert re.search(r"\d fps, 0:0\d left: a boat$", lines[-1])
    assert "\x1b" not in made[1].stderr
    assert "\r" not in made[1].stderr


def test_it_is_said_that_a_stand_in_renders(made: tuple[Path, Finished]) -> None:
    assert "note: no weights of streamdiffusionv2-1.3b" in made[1].stderr
    assert "using preset pocket" in made[1].stderr


def test_force_replaces_and_gives_the_same_again(
    rushes: Rushes, made: tuple[Path, Finished]
) -> None:
    folder, first = made
    before = (folder / "out.mp4").read_bytes()
    result = rushes.run("render", "shot.json", "-o", "out.mp4", "--force", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["video", "out.mp4"],
        ["manifest", "out.mp4.json"],
        ["contact", "sheet", "out.mp4.png"],
    ]
    manifest = json.loads((folder / "out.mp4.json").read_text())
    assert manifest["frames_sha256"] == json.loads(first.stdout)["frames_sha256"]
    assert (folder / "out.mp4").read_bytes() == before


def test_files_that_are_named_are_there(rushes: Rushes, tmp_path: Path) -> None:
    """A PNG result is a folder, which is what must be named."""
    write_timeline(tmp_path / "shot.json", timeline())
    result = rushes.run("render", "shot.json", "-o", "frames.png", "--json", cwd=tmp_path)
    answer = json.loads(result.stdout)
    for name in ("output", "manifest", "contact_sheet"):
        assert (tmp_path / answer[name]).exists(), answer[name]


@pytest.mark.parametrize(
    ("asked", "seeds"),
    [("--takes 2", [42, 10042]), ("--seeds 7,1,7", [7, 1]), ("--seeds 7,1,5 --rows 2", [7, 1, 5])],
    ids=str,
)
def test_each_take_has_its_seed_and_its_files(
    asked: str, seeds: list[int], rushes: Rushes, tmp_path: Path
) -> None:
    write_timeline(tmp_path / "shot.json", timeline(block("a boat", 0, 1), block("a cat", 8, 9)))
    result = rushes.run(
        *("render", "shot.json", "-o", "out.mkv", "--duration", 1, "--json", *asked.split()),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("is never shown") == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["seed"] for answer in answers] == seeds
    assert [answer["output"] for answer in answers] == [f"out-{seed}.mkv" for seed in seeds]
    assert len({answer["frames_sha256"] for answer in answers}) == len(seeds)
    assert len(files(tmp_path)) == 1 + 3 * len(seeds)
    manifest = json.loads((tmp_path / f"out-{seeds[1]}.mkv.json").read_text())
    assert (manifest["seed"], manifest["request"]["plan"]["seed"]) == (seeds[1], seeds[1])


def test_a_result_is_named_after_its_timeline(rushes: Rushes, tmp_path: Path) -> None:
    write_timeline(tmp_path / "shot.json", timeline(mode="video"))
    write_clip(tmp_path / "clip.mp4")
    result = rushes.run("render", "shot.json", "--input", "clip.mp4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "shot.mp4" in files(tmp_path)


def test_prompts_of_every_script_can_be_rendered_in_every_locale(
    rushes: Rushes, tmp_path: Path
) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    write_timeline(tmp_path / "shot.json", timeline(block("Füße, 船", 0, 0.3)))
    result = rushes.with_variables(**plain).run_anew("render", "shot.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "船" in (tmp_path / "shot.mp4.json").read_text(encoding="utf-8")


def test_a_terminal_gets_a_bar(rushes: Rushes, tmp_path: Path) -> None:
    write_timeline(tmp_path / "shot.json", timeline(block("a [red]boat[/red]", 0, 8)))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    environment = {**rushes.environment, "TERM": "xterm-256color"}
    process = Rushes(environment).start(
        "render", "shot.json", cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = read_terminal(ours)
    assert process.wait(timeout=60) == 0, shown
    assert "\x1b[" in shown
    assert "━" in shown
    assert "/128" in shown
    assert "[red]" in shown  # texts are not markup
    assert "contact sheet  shot.mp4.png" in shown
    assert "Traceback" not in shown


def read_terminal(terminal: int) -> str:
    """Read until the other end is closed."""
    pieces = []
    try:
        while piece := os.read(terminal, 1 << 16):
            pieces.append(piece)
    except OSError as error:
        if error.errno != errno.EIO:  # how Linux says that nobody writes any more
            raise
    finally:
        os.close(terminal)
    return b"".join(pieces).decode(errors="replace")


# --- renders that end early ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_render_cleanly(name: str, rushes: Rushes, tmp_path: Path) -> None:
    write_timeline(tmp_path / "shot.json", timeline(block("a boat", 0, LONG_SECONDS)))
    with rendering(rushes, tmp_path) as command:
        command.process.send_signal(getattr(signal, name))
        ended = command.finish(60)
    assert ended.returncode == 130
    assert ended.stdout == ""
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("interrupted at chunk ")
    assert f"/{LONG_SECONDS * 16};" in last
    assert "Traceback" not in ended.stderr
    assert files(tmp_path) == ["shot.json"]


def test_an_input_that_is_deleted_halfway_ends_the_render(rushes: Rushes, tmp_path: Path) -> None:
    write_timeline(tmp_path / "shot.json", timeline(block("a boat", 0, LONG_SECONDS), mode="video"))
    write_clip(tmp_path / "clip.mp4", moving(LONG_SECONDS * 16))
    with rendering(rushes, tmp_path, "--input", "clip.mp4") as command:
        (tmp_path / "clip.mp4").unlink()
        ended = command.finish(120)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("error: clip.mp4: was deleted or changed")
    assert ended.stderr.count("error:") == 1
    assert "Traceback" not in ended.stderr
    assert files(tmp_path) == ["shot.json"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 192 KiB: the contact sheet fits, the video does not fit beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(disk)], capture_output=True
    )
    if mount.returncode:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_the_render(rushes: Rushes, small_disk: Path) -> None:
    shot = write_timeline(small_disk.parent / "shot.json", timeline(block("a boat", 0, 4)))
    result = rushes.run("render", shot, "-o", "out.mp4", "--preset", "tiny", cwd=small_disk)
    assert result.returncode == 1, result.stderr
    (line,) = error_lines(result)
    assert line.startswith("error: out.mp4")  # or its sheet or manifest, as it comes
    assert "the disk is full" in line
    assert "Traceback" not in result.stderr
    assert files(small_disk) == []


def test_an_answer_that_does_not_fit_on_the_disk_is_told(rushes: Rushes) -> None:
    with Path("/dev/full").open("w") as full:
        result = rushes.run_anew("check", ROOT / "timelines" / "evolution.json", stdout=full)
    assert result.returncode == 1
    assert "the disk is full" in result.stderr
    assert "Traceback" not in result.stderr


# --- how fast it answers -------------------------------------------------------------------------

HEAVY = {"torch", "av", "transformers", "celery", "redis", "boto3"}  # what takes seconds to import


def heavy_imports(rushes: Rushes, *arguments: object, code: int = 0) -> set[str]:
    """Run a command and return which of the heavy packages it imports."""
    command = [sys.executable, "-X", "importtime", *RUSHES[1:], *map(str, arguments)]
    result = subprocess.run(command, env=rushes.environment, capture_output=True, text=True)
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "rushes_queue" in imported
    return imported & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("render", "--help"),
        ("check", ROOT / "timelines" / "short-text.json"),
        ("plan", ROOT / "timelines" / "short-text.json"),
    ],
    ids=["help", "help of a command", "check", "plan"],
)
def test_what_needs_no_model_answers_at_once(arguments: tuple[object, ...], rushes: Rushes) -> None:
    assert heavy_imports(rushes, *arguments) == set()


def test_a_wrong_file_name_is_told_at_once(rushes: Rushes, tmp_path: Path) -> None:
    """No model has to be imported to see that a file is not there."""
    assert heavy_imports(rushes, "render", tmp_path / "none.json", code=4) == set()


def test_a_result_in_the_way_is_told_at_once(rushes: Rushes, tmp_path: Path) -> None:
    shot, out = write_timeline(tmp_path / "shot.json", timeline()), tmp_path / "out.mp4"
    out.write_text("mine")
    assert heavy_imports(rushes, "render", shot, "-o", out, code=6) == set()
