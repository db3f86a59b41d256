"""What a render refuses, and that a failure in its middle leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from renders.full_disk import largest_file
from renders.shots import (
    block,
    moving,
    read_movie,
    timeline,
    write_clip,
)
from renders.studio import Studio
from rushes.errors import ConfigError, ConflictError, RushesError, VideoError
from rushes.rendering.loop import Progress
from rushes.rendering.render import render

TEXT = timeline()
VIDEO = timeline(mode="video")
TWO_PROMPTS = timeline(block("a boat", 0, 0.5), block("a pond", 0.5, 1))


@pytest.mark.parametrize("taken", ["out.mp4", "out.mp4.json", "out.mp4.png"])
def test_a_result_that_is_there_already_is_left_alone(taken: str, studio: Studio) -> None:
    (studio.folder / taken).write_text("mine")
    with pytest.raises(ConflictError, match=f"{taken}: is there already"):
        studio.render(TEXT, force=False)
    assert studio.files() == sorted([taken, "shot.json"])
    assert (studio.folder / taken).read_text() == "mine"


def test_a_result_that_is_there_already_can_be_replaced(studio: Studio) -> None:
    for name in ("out.mp4", "out.mp4.json", "out.mp4.png"):
        (studio.folder / name).write_text("old")
    studio.render(TEXT, force=True)
    assert len(read_movie(studio.folder / "out.mp4")) == 16


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("way", ["same name", "link to it", "roundabout"])
def test_a_result_never_replaces_its_own_input(way: str, force: bool, studio: Studio) -> None:
    source = write_clip(studio.folder / "clip.mp4")
    before, output = source.read_bytes(), "clip.mp4"
    if way == "link to it":
        (studio.folder / "link.mp4").symlink_to(source)
        output = "link.mp4"
    elif way == "roundabout":
        (studio.folder / "deeper").mkdir()
        output = "deeper/../clip.mp4"
    with pytest.raises(ConfigError, match="would replace its own source"):
        studio.render(VIDEO, output, source=source, force=force)
    assert source.read_bytes() == before


def test_a_manifest_never_replaces_the_timeline(studio: Studio) -> None:
    plan, request = studio.prepare(TEXT)
    named = request.model_copy(update={"timeline": studio.folder / "out.mp4.json"})
    (studio.folder / "shot.json").rename(named.timeline)
    with pytest.raises(ConfigError, match="would replace its own source"):
        render(studio.pipeline, plan, named, force=True)


@pytest.mark.parametrize("name", ["out.mp4", "out.mp4.json", "out.mp4.png"])
def test_a_folder_in_the_way_is_told_at_once(name: str, studio: Studio) -> None:
    (studio.folder / name).mkdir()
    with pytest.raises(ConflictError, match=f"{name}: is a folder"):
        studio.render(TEXT, force=True)
    assert studio.files() == sorted([name, "shot.json"])


def test_pictures_do_not_mix_with_those_that_are_there(studio: Studio) -> None:
    studio.render(TEXT, "boat/frame_%03d.png", force=False)
    with pytest.raises(ConflictError, match="boat: is there already"):
        studio.render(TEXT, "boat/frame_%03d.png", force=False)


def test_video_to_video_needs_an_input(studio: Studio) -> None:
    with pytest.raises(ConfigError, match="give --input"):
        studio.render(VIDEO)
    assert studio.files() == ["shot.json"]


@pytest.mark.parametrize("name", ["out.avi", "out", "out.txt"])
def test_an_unknown_kind_of_result_is_refused(name: str, studio: Studio) -> None:
    with pytest.raises(ConfigError, match="is not a kind of result"):
        studio.render(TEXT, name)
    assert studio.files() == ["shot.json"]


@pytest.mark.parametrize("name", ["shot.json/out.mp4", "nowhere/out.mp4"])
def test_a_folder_that_cannot_hold_the_result_is_told(name: str, studio: Studio) -> None:
    with pytest.raises(VideoError, match="folder"):
        studio.render(TEXT, name)
    assert studio.files() == ["shot.json"]


# --- failures in the middle ----------------------------------------------------------------------

LONG = timeline(block("a boat", 0, 3))


def failing(at_chunk: int, error: BaseException) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.chunk == at_chunk:
            raise error

    return report


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.gif", "out.png"])
@pytest.mark.parametrize("at_chunk", [1, 6, 12], ids=["first", "middle", "last"])
def test_a_failure_leaves_nothing_behind(name: str, at_chunk: int, studio: Studio) -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        studio.render(LONG, name, report=failing(at_chunk, RuntimeError("on purpose")))
    assert studio.files() == ["shot.json"]


def test_an_interrupt_leaves_nothing_behind(studio: Studio) -> None:
    with pytest.raises(KeyboardInterrupt):
        studio.render(LONG, report=failing(3, KeyboardInterrupt()))
    assert studio.files() == ["shot.json"]


def test_a_failure_keeps_the_result_that_was_there(studio: Studio) -> None:
    studio.render(TEXT)
    before = {name: (studio.folder / name).read_bytes() for name in studio.files()}
    with pytest.raises(RuntimeError, match="on purpose"):
        studio.render(TEXT, report=failing(2, RuntimeError("on purpose")), force=True)
    assert {name: (studio.folder / name).read_bytes() for name in studio.files()} == before


def test_a_failed_render_is_no_obstacle_to_the_next(studio: Studio) -> None:
    expected = studio.frames_hash(TEXT)
    with pytest.raises(RuntimeError, match="on purpose"):
        studio.render(LONG, report=failing(2, RuntimeError("on purpose")))
    assert studio.frames_hash(TEXT) == expected


@pytest.mark.parametrize("change", ["deleted", "replaced", "cut"])
def test_an_input_that_changes_under_the_render_ends_it(change: str, studio: Studio) -> None:
    source = write_clip(studio.folder / "clip.mp4", moving(200))

    def spoil(progress: Progress) -> None:
        if progress.chunk == 2:
            content = source.read_bytes()
            source.unlink()
            if change != "deleted":
                source.write_bytes(content[: len(content) // (2 if change == "cut" else 1)])

    with pytest.raises(RushesError, match="deleted or changed"):
        studio.render(timeline(block("a boat", 0, 12), mode="video"), source=source, report=spoil)
    assert [name for name in studio.files() if name != "clip.mp4"] == ["shot.json"]


@pytest.mark.parametrize(
    ("output", "num_bytes", "prompt", "told"),
    [
        ("out.png", 4_000, "a boat", "out"),
        ("out.mp4", 30_000, "a boat", "out.mp4.png"),
        ("out.mp4", 750_000, "boats " * 16_600, "out.mp4.json"),
    ],
    ids=["pictures", "contact sheet", "manifest"],
)
def test_a_full_disk_is_told_with_the_name_of_the_file(
    output: str, num_bytes: int, prompt: str, told: str, studio: Studio
) -> None:
    document = timeline(block(prompt, 0, 1))
    document["prompts"][0]["prompts"] *= 8  # one has a limit of length
    plan, request = studio.prepare(document, output)
    with largest_file(num_bytes), pytest.raises(VideoError) as caught:
        render(studio.pipeline, plan, request)
    assert str(caught.value).startswith(f"{studio.folder / told}: cannot be written")
    assert "disk is full" in str(caught.value)
    assert studio.files() == ["shot.json"]
