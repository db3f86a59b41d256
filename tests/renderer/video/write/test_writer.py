"""A result has the right frames, times and colours, and appears complete or not at all."""

from __future__ import annotations

import errno
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from renders.full_disk import largest_file
from rushes.errors import ConfigError, ConflictError, ShapeError, VideoError
from rushes.files.publish import writing_error
from rushes.video.frame_hash import FrameHash
from rushes.video.read.probe import probe_video
from rushes.video.read.reader import VideoReader
from rushes.video.write.codecs import available_codecs
from rushes.video.write.writer import VideoWriter, open_writer

Frames = NDArray[np.uint8]

WIDTH, HEIGHT, FPS = 128, 64, Fraction(16)
PATCHES = [
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)],
    [(0, 0, 0), (128, 128, 128), (200, 120, 40), (30, 90, 200)],
]
MOVIES = [
    ("clip.mp4", "h264"),
    ("clip.mkv", "h264"),
    ("clip.mov", "h264"),
    ("clip.mp4", "h265"),
    ("clip.mov", "h265"),
    ("clip.webm", "vp9"),
    ("clip.mp4", "vp9"),
    ("clip.mp4", "av1"),
    ("clip.webm", "av1"),
    ("clip.mov", "prores"),
    ("clip.mkv", "prores"),
]
movies = pytest.mark.parametrize(("name", "codec"), MOVIES, ids=lambda value: str(value))


def patches(count: int = 6) -> Frames:
    """Return frames of eight flat colours that stand still."""
    picture = np.array(PATCHES, np.uint8).repeat(HEIGHT // 2, axis=0).repeat(WIDTH // 4, axis=1)
    return np.broadcast_to(picture, (count, HEIGHT, WIDTH, 3)).copy()


def noise(count: int = 6) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def start(path: Path, fps: Fraction = FPS, **options: object) -> VideoWriter:
    return open_writer(path, fps=fps, width=WIDTH, height=HEIGHT, **options)  # type: ignore[arg-type]


def write(path: Path, frames: Frames, fps: Fraction = FPS, **options: object) -> Path:
    with start(path, fps, **options) as writer:
        for first in range(0, len(frames), 4):
            writer.write(frames[first : first + 4])
    return writer.path


def read(path: Path, fps: Fraction = FPS) -> Frames:
    with VideoReader(path, fps=fps, height=HEIGHT, width=WIDTH, at_end="stop") as reader:
        return reader.read(0, 10_000)


# --- what is in the file -------------------------------------------------------------------------


@movies
def test_no_encoder_makes_the_process_real_time(tmp_path: Path, name: str, codec: str) -> None:
    with start(tmp_path / name, codec=codec) as writer:
        writer.write(noise())
        policies = {os.sched_getscheduler(int(each)) for each in os.listdir("/proc/self/task")}
    assert policies == {os.sched_getscheduler(0)} == {os.SCHED_OTHER}


@movies
def test_colours_survive_encoding(name: str, codec: str, tmp_path: Path) -> None:
    result = read(write(tmp_path / name, patches(), codec=codec))
    assert len(result) == 6
    for row in range(2):
        for column in range(4):
            y, x = HEIGHT // 4 + row * HEIGHT // 2, WIDTH // 8 + column * WIDTH // 4
            shown = result[3, y - 4 : y + 4, x - 4 : x + 4].mean(axis=(0, 1))
            np.testing.assert_allclose(shown, PATCHES[row][column], atol=4)


@movies
def test_the_colour_standard_is_told_in_stream_and_container(
    name: str, codec: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, patches(), codec=codec)
    with av.open(path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        told = [context.color_primaries, context.color_trc, context.colorspace, context.color_range]
        frame = next(container.decode(stream))
        assert told == [1, 1, 1, 1]
        assert [frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range] == told
        assert frame.format.name == ("yuv422p10le" if codec == "prores" else "yuv420p")
    if path.suffix in {".mp4", ".mov"}:
        box = path.read_bytes().split(b"colr", 1)[1]
        assert box[:10] in (b"nclx\0\1\0\1\0\1", b"nclc\0\1\0\1\0\1")


@movies
def test_the_same_frames_give_the_same_bytes(name: str, codec: str, tmp_path: Path) -> None:
    first = write(tmp_path / name, noise(), codec=codec).read_bytes()
    again = write(tmp_path / name, noise(), codec=codec).read_bytes()
    assert first == again


@pytest.mark.parametrize("fps", [Fraction(16), Fraction(30000, 1001), Fraction(25, 2)], ids=str)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.webm"])
def test_frames_come_at_the_exact_rate(name: str, fps: Fraction, tmp_path: Path) -> None:
    path = write(tmp_path / name, noise(30), fps)
    info = probe_video(path)
    assert (info.fps, info.num_frames, info.is_variable_rate) == (fps, 30, False)
    with av.open(path) as container:
        times = sorted(p.pts * p.time_base for p in container.demux() if p.pts is not None)
    if path.suffix in {".mp4", ".mov"}:
        assert times == [n / fps for n in range(30)]
    else:
        assert all(abs(t - n / fps) <= Fraction(1, 1000) for n, t in enumerate(times))


def test_players_can_start_an_mp4_before_it_is_all_there(tmp_path: Path) -> None:
    data = write(tmp_path / "clip.mp4", noise()).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_h265_has_the_tag_that_apple_plays(tmp_path: Path) -> None:
    data = write(tmp_path / "clip.mp4", noise(), codec="h265").read_bytes()
    assert b"hvc1" in data
    assert b"hev1" not in data


def test_a_lower_crf_is_a_better_picture(tmp_path: Path) -> None:
    sizes = [write(tmp_path / "clip.mp4", noise(), crf=crf).stat().st_size for crf in (10, 30, 50)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_gif_loops_and_keeps_its_frames(tmp_path: Path) -> None:
    frames = patches(10)
    frames[5:] = 255 - frames[5:]
    path = write(tmp_path / "clip.gif", frames)
    with Image.open(path) as picture:
        assert picture.info["loop"] == 0
    result = read(path)
    assert len(result) == 10
    for index in (0, 9):
        difference = result[index].astype(int) - frames[index]
        assert abs(difference.reshape(2, 32, 4, 32, 3).mean(axis=(1, 3))).max() < 6
    assert path.read_bytes() == write(tmp_path / "again.gif", frames).read_bytes()


def test_pngs_hold_the_frames_exactly(tmp_path: Path) -> None:
    frames = noise()
    folder = write(tmp_path / "clip.png", frames)
    assert folder == tmp_path / "clip"
    assert sorted(os.listdir(folder)) == [f"{n:05d}.png" for n in range(6)]
    for index, name in enumerate(sorted(os.listdir(folder))):
        with Image.open(folder / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture), frames[index])


def test_pngs_can_have_names_of_their_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "shots" / "cat_%03d.png", noise(2))
    assert folder == tmp_path / "shots"
    assert sorted(os.listdir(folder)) == ["cat_000.png", "cat_001.png"]


def test_the_hash_of_frames_does_not_depend_on_their_grouping() -> None:
    frames = noise(7)
    whole, pieces = FrameHash(), FrameHash()
    whole.update(frames)
    for part in (frames[:1], frames[1:5], frames[5:, ::1]):
        pieces.update(part)
    assert whole.hexdigest() == pieces.hexdigest()
    pieces.update(frames[:1])
    assert whole.hexdigest() != pieces.hexdigest()


# --- complete or not at all ----------------------------------------------------------------------

KINDS = ["clip.mp4", "clip.mkv", "clip.webm", "clip.mov", "clip.gif", "clip.png"]


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_visible_before_the_end(name: str, tmp_path: Path) -> None:
    with start(tmp_path / name) as writer:
        writer.write(noise())
        assert all(entry.startswith(".rushes-") for entry in os.listdir(tmp_path))
    assert os.listdir(tmp_path) == [writer.path.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("name", KINDS)
def test_an_interrupted_result_leaves_nothing(
    name: str, error: type[BaseException], tmp_path: Path
) -> None:
    def render() -> None:
        with start(tmp_path / name) as writer:
            writer.write(noise())
            raise error

    with pytest.raises(error):
        render()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_result_without_frames_is_an_error(name: str, tmp_path: Path) -> None:
    writer = start(tmp_path / name)
    with pytest.raises(VideoError, match="no frame was written"):
        writer.close()
    assert os.listdir(tmp_path) == []


def test_a_writer_that_is_done_takes_no_more_frames(tmp_path: Path) -> None:
    writer = start(tmp_path / "clip.mp4")
    writer.write(noise())
    writer.close()
    writer.close()
    with pytest.raises(VideoError, match="is closed"):
        writer.write(noise())
    writer.abort()
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_an_earlier_result_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("earlier")
    writer = start(path)
    writer.write(noise())
    writer.abort()
    assert path.read_text() == "earlier"
    write(path, noise())
    assert probe_video(path).num_frames == 6
    assert os.listdir(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif", "clip.png"])
def test_what_is_there_is_replaced_only_on_demand(name: str, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    write(tmp_path / name, noise(8), replace=False)
    with pytest.raises(ConflictError, match="is there already"):
        start(tmp_path / name, replace=False)
    write(tmp_path / name, noise(4), replace=True)
    if name == "clip.png":
        assert len(os.listdir(tmp_path / "clip")) == 4
    assert sorted(os.listdir(tmp_path)) == sorted({"clip", "clip" + name[4:]} - {"clip.png"})


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    write(tmp_path / "clip.png", noise(1))
    (tmp_path / "clip" / "notes.txt").write_text("keep me")
    with pytest.raises(ConflictError, match="holds more than the pictures"):
        start(tmp_path / "clip.png", replace=True)
    assert sorted(os.listdir(tmp_path / "clip")) == ["00000.png", "notes.txt"]


@pytest.mark.parametrize("num_bytes", [3_000, 150_000], ids=["at once", "at the end"])
@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    name: str, num_bytes: int, tmp_path: Path
) -> None:
    if num_bytes > 3_000 and name == "clip.png":
        num_bytes = 10_000  # a limit for each file
    writer = start(tmp_path / name)
    frames = noise(40)

    def write_all() -> None:
        for first in range(0, 40, 4):
            writer.write(frames[first : first + 4])
        writer.close()

    with largest_file(num_bytes), pytest.raises(VideoError, match="the disk is full") as caught:
        write_all()
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_each_system_error_gets_its_advice() -> None:
    path = Path("out/clip.mp4")
    for code, advice in (
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "permissions"),
        (errno.EIO, "write elsewhere"),
    ):
        assert advice in str(writing_error(path, OSError(code, os.strerror(code))))


@pytest.mark.parametrize("name", KINDS)
def test_a_place_that_cannot_be_written_is_refused_before_rendering(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(VideoError, match="does not exist; make it first"):
        start(tmp_path / "nowhere" / name)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(VideoError, match="is not a folder; write elsewhere"):
        start(tmp_path / "file" / name)
    if not name.endswith("png"):
        (tmp_path / name).mkdir()
        with pytest.raises(VideoError, match="is a folder; name a file in it"):
            start(tmp_path / name)


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(VideoError, match="may not be written to"):
        start(tmp_path / "clip.mp4")


# --- wrong options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("clip.mp4", {"codec": "theora"}, "'theora' is not available; use one of h264, h265"),
        ("clip.webm", {"codec": "h264"}, ".webm files do not hold h264"),
        ("clip.mp4", {"codec": "prores"}, ".mp4 files do not hold prores"),
        ("clip.mp4", {"crf": 52}, "h264 takes 0"),
        ("clip.mp4", {"crf": -1}, "h264 takes 0"),
        ("clip.mov", {"crf": 20}, "prores takes none"),
        ("clip.webm", {"hardware": True}, "no hardware encodes vp9; use one of h264, h265, av1"),
        ("clip.gif", {"codec": "h264"}, "takes no codec"),
        ("clip.png", {"crf": 3}, "takes no codec"),
        ("clip.gif", {"fps": Fraction(60)}, "at most 50 frames a second"),
        ("clip.mp4", {"fps": Fraction(0)}, "rate above 0"),
        ("clip.wmv", {}, "not a kind of result"),
        ("clip", {}, "not a kind of result"),
        ("%03d_%03d.png", {}, "has 2 numbers"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    name: str, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        start(tmp_path / name, **options)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_numbered_pngs_need_a_folder_of_their_own() -> None:
    with pytest.raises(ConfigError, match=r"as in out/%05d\.png"):
        start(Path("%05d.png"))


def test_hardware_that_is_not_there_is_told_with_a_way_on(tmp_path: Path) -> None:
    try:
        start(tmp_path / "clip.mp4", hardware=True).abort()
    except ConfigError as error:
        assert "render without hardware encoding" in str(error)  # noqa: PT017
    assert os.listdir(tmp_path) == []


def test_this_build_encodes_every_codec_we_offer() -> None:
    assert available_codecs() == ["h264", "h265", "vp9", "av1", "prores"]


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="33x17 is odd"):
        open_writer(tmp_path / "clip.mp4", fps=FPS, width=33, height=17)
    with start(tmp_path / "clip.mp4") as writer:
        for wrong in (noise()[0], noise()[:, :8], noise().astype(np.float32)):
            with pytest.raises(ShapeError, match=r"give uint8 \[T, 64, 128, 3\]"):
                writer.write(wrong)  # type: ignore[arg-type]
        writer.write(noise())


def test_gifs_and_pngs_may_have_any_size(tmp_path: Path) -> None:
    for name in ("clip.gif", "clip.png"):
        with open_writer(tmp_path / name, fps=FPS, width=33, height=17) as writer:
            writer.write(np.zeros((2, 17, 33, 3), np.uint8))
