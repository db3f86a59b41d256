"""Frame by frame, an input is read at the rate of the output, from any frame on."""

from __future__ import annotations

import os
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checkout import ROOT
from renders.clips import (
    HEIGHT,
    WIDTH,
    numbered,
    numbers,
    open_reader,
    read_numbers,
    write_clip,
)
from rushes.errors import ConfigError, InputError, VideoError
from rushes.video.read.probe import probe_video
from rushes.video.read.reader import VideoReader

CONTAINERS = [
    pytest.param("clip.mp4", {}, id="mp4"),
    pytest.param("clip.mkv", {}, id="mkv"),
    pytest.param("clip.avi", {}, id="avi"),
    pytest.param("clip.ts", {}, id="ts"),
    pytest.param("clip.flv", {}, id="flv"),
    pytest.param("clip.mov", {"codec": "qtrle", "pixel_format": "rgb24"}, id="mov"),
    pytest.param("clip.gif", {"codec": "gif", "pixel_format": "gray"}, id="gif"),
    pytest.param("clip.webm", {"codec": "libvpx-vp9", "options": {"lossless": "1"}}, id="webm"),
    pytest.param("clip.webm", {"codec": "libvpx", "options": {"crf": "4", "b": "4M"}}, id="vp8"),
    pytest.param("clip.h264", {"muxer": "h264"}, id="no time stamps"),
    pytest.param(
        "clip.mp4",
        {"options": {"crf": "4", "g": "8", "bf": "3", "x264-params": "b-adapt=0:open-gop=1"}},
        id="open groups with B-frames",
    ),
]


@pytest.mark.parametrize(("name", "options"), CONTAINERS)
def test_at_its_own_rate_frame_n_is_input_frame_n(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / name, numbered(40), fps=Fraction(24), **options)  # type: ignore[arg-type]
    info = probe_video(clip)
    assert info.num_frames == 40
    assert read_numbers(clip, 40, info.fps, at_end="stop") == list(range(40))


@pytest.mark.parametrize(("name", "options"), CONTAINERS)
def test_reading_from_anywhere_equals_reading_from_the_start(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / name, numbered(40), **options)  # type: ignore[arg-type]
    with open_reader(clip, 10) as reader:
        whole = np.concatenate([reader.read(first, 4) for first in range(0, 80, 4)])
    for first in (1, 17, 24, 25, 49, 66):
        with open_reader(clip, 10) as reader:
            np.testing.assert_array_equal(reader.read(first, 7), whole[first : first + 7])
    with open_reader(clip, 10) as reader:
        for first in random.Random(0).choices(range(70), k=10):
            np.testing.assert_array_equal(reader.read(first, 3), whole[first : first + 3])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_far_jump_in_a_long_clip_finds_its_frame(name: str, tmp_path: Path) -> None:
    options = {"crf": "4", "preset": "ultrafast", "g": "10", "bf": "3"}
    frames = np.concatenate([numbered(50), numbered(10)])
    clip = write_clip(tmp_path / name, frames, fps=Fraction(1), options=options)
    with open_reader(clip, 1) as reader:
        assert [numbers(reader.read(n, 1))[0] for n in (0, 33, 58, 12, 13, 49)] == [
            0,
            33,
            8,
            12,
            13,
            49,
        ]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(8, [0, 2, 4, 6]), (32, [0, 0, 1, 1]), (24, [0, 0, 1, 2]), (Fraction(16000, 1001), [0, 1, 2])],
    ids=str,
)
def test_other_rates_show_the_last_frame_that_has_begun(
    fps: int | Fraction, expected: list[int], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mkv", numbered(10))
    assert read_numbers(clip, len(expected), fps) == expected


def test_a_variable_rate_is_followed_by_its_time_stamps(tmp_path: Path) -> None:
    pts = [0, 40, 50, 300, 310, 700]
    clip = write_clip(
        tmp_path / "clip.mp4", numbered(6), pts=pts, time_base=Fraction(1, 1000), fps=Fraction(20)
    )
    shown = [max(i for i, time in enumerate(pts) if time <= n * 50) for n in range(15)]
    assert read_numbers(clip, 15, 20, at_end="hold") == shown
    with open_reader(clip, 20, at_end="hold") as reader:
        assert [numbers(reader.read(n, 1))[0] for n in (14, 5, 6, 1)] == [5, 2, 3, 2]


def test_one_to_one_takes_every_frame_whatever_its_time(tmp_path: Path) -> None:
    pts = [0, 40, 50, 300, 310, 700]
    clip = write_clip(
        tmp_path / "clip.mp4", numbered(6), pts=pts, time_base=Fraction(1, 1000), fps=Fraction(20)
    )
    assert read_numbers(clip, 8, 7, one_to_one=True) == [0, 1, 2, 3, 4, 5, 0, 1]
    with open_reader(clip, 7, one_to_one=True, at_end="stop") as reader:
        assert reader.num_frames == 6
        assert numbers(reader.read(4, 10)) == [4, 5]


def test_after_the_end_a_clip_loops_holds_or_stops(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", numbered(3))
    assert read_numbers(clip, 8, at_end="loop") == [0, 1, 2, 0, 1, 2, 0, 1]
    assert read_numbers(clip, 8, at_end="hold") == [0, 1, 2, 2, 2, 2, 2, 2]
    assert read_numbers(clip, 8, at_end="stop") == [0, 1, 2]
    with open_reader(clip, at_end="stop") as reader:
        assert reader.num_frames == 3
        assert reader.read(5, 4).shape == (0, HEIGHT, WIDTH, 3)
    with open_reader(clip) as reader:
        assert reader.num_frames is None


def test_a_loop_keeps_the_length_of_the_last_frame(tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in numbered(2)]
    clip = tmp_path / "clip.gif"
    pictures[0].save(clip, save_all=True, append_images=pictures[1:], duration=[100, 300])
    assert read_numbers(clip, 10, 10) == [0, 1, 1, 1, 0, 1, 1, 1, 0, 1]


def test_an_image_is_every_frame(tmp_path: Path) -> None:
    Image.fromarray(numbered(8)[7]).save(tmp_path / "still.png")
    assert read_numbers(tmp_path / "still.png", 50) == [7] * 50


def test_a_start_in_the_clip_is_its_first_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", numbered(10))
    start = Fraction(1, 2)
    assert read_numbers(clip, 4, start_seconds=start) == [8, 9, 0, 1]
    assert read_numbers(clip, 4, start_seconds=start, at_end="stop") == [8, 9]
    assert read_numbers(clip, 4, start_seconds=start, at_end="hold") == [8, 9, 9, 9]


@pytest.mark.parametrize("offset", [-5, 100])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_time_counts_from_the_first_frame(name: str, offset: int, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / name, numbered(12), pts=[i + offset for i in range(12)])
    with open_reader(clip, at_end="stop") as reader:
        shown = numbers(reader.read(0, 12))
        assert shown == list(range(shown[0], 12))
        assert shown[0] in ({0} if offset > 0 or name == "clip.ts" else {0, 5})
        assert reader.num_frames == len(shown)
        assert numbers(reader.read(3, 1)) == [shown[3]]


def test_the_frames_of_the_example_input_are_all_there() -> None:
    folder = ROOT.parent / "shared" / "data"
    clip = Path(os.environ.get("DATA_DIR", folder)) / "original.mp4"
    if not clip.exists():
        pytest.skip(f"{clip} is not there; set DATA_DIR to the folder of the example input")
    info = probe_video(clip)
    assert (info.width, info.height, info.num_frames) == (832, 480, 81)
    assert info.fps == 16
    with VideoReader(clip, fps=info.fps, height=480, width=832, at_end="stop") as reader:
        last = [reader.read(first, 20)[-1] for first in (0, 20, 40, 60, 80)][-1]
        assert reader.num_frames == 81
    with VideoReader(clip, fps=info.fps, height=480, width=832) as reader:
        np.testing.assert_array_equal(reader.read(80, 1)[0], last)


# --- what goes wrong -----------------------------------------------------------------------------


def _damaged(path: Path, share: float) -> Path:
    """Overwrite the pictures of a clip with noise from a share of them on."""
    frames = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    write_clip(path, frames, options={"crf": "10", "g": "1", "threads": "1"})
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    first = begin + round((end - begin) * share)
    data[first:end] = np.random.default_rng(1).bytes(end - first)
    path.write_bytes(data)
    return path


def test_damage_in_the_middle_names_the_last_good_frame(tmp_path: Path) -> None:
    clip = _damaged(tmp_path / "clip.mp4", 0.5)
    with open_reader(clip) as reader, pytest.raises(VideoError) as caught:
        reader.read(0, 30)
    assert "clip.mp4: is damaged after frame 1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damage_from_the_first_frame_on_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="first frame cannot be decoded"):
        open_reader(_damaged(tmp_path / "clip.mp4", 0))


@pytest.mark.parametrize("change", ["deleted", "replaced", "grown"])
def test_an_input_that_changes_while_it_is_read_is_an_error(change: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", numbered(20))
    with open_reader(clip) as reader:
        reader.read(0, 4)
        if change == "deleted":
            clip.unlink()
        elif change == "replaced":
            write_clip(tmp_path / "other.mp4", numbered(20)).replace(clip)
        else:
            with clip.open("ab") as file:
                file.write(b"more")
        with pytest.raises(VideoError, match="was deleted or changed while it was being rendered"):
            reader.read(4, 4)


def test_memory_does_not_grow_with_what_was_read(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", numbered(40, 240, 320))

    def resident_bytes() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell a process's memory")
    with open_reader(clip, height=240, width=320) as reader:
        for first in range(0, 200, 8):
            reader.read(first, 8)
        before = resident_bytes()
        for first in range(200, 1000, 8):
            reader.read(first, 8)
        assert resident_bytes() - before < 60_000_000  # of 184 MB that were read


@pytest.mark.parametrize(
    "options",
    [
        {"fps": Fraction(0)},
        {"height": 0},
        {"fit": "zoom"},
        {"at_end": "bounce"},
        {"start_seconds": Fraction(-1)},
    ],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, object], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", numbered(2))
    with pytest.raises(ConfigError):
        open_reader(clip, **options)  # type: ignore[arg-type]
