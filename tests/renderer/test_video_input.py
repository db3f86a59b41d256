"""Inputs of every kind, made here, are described truly and read frame by frame as they should."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from rushes.errors import ConfigError, InputError, MissingFileError, VideoError
from rushes.video.probe import probe_video
from rushes.video.reader import VideoReader

Frames = NDArray[np.uint8]

WIDTH, HEIGHT = 32, 16
LOSSLESS = {"qp": "0", "preset": "ultrafast"}


def numbered(count: int, height: int = HEIGHT, width: int = WIDTH) -> Frames:
    """Return grey frames whose level tells their number, up to 59."""
    levels = np.arange(count, dtype=np.uint8) * 4 + 8
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def numbers(frames: Frames) -> list[int]:
    return [round((float(frame.mean()) - 8) / 4) for frame in frames]


def write_clip(
    path: Path,
    frames: Frames,
    *,
    fps: Fraction = Fraction(16),
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    rotation: tuple[int, bool] = (0, False),
    muxer: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Encode frames, at the rate or at chosen time stamps."""
    with av.open(path, "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = time_base or 1 / fps
        stream.options = LOSSLESS if codec == "libx264" and options is None else options or {}
        if rotation != (0, False):
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        stream.metadata.update(metadata or {})
        layout = "rgba" if frames.shape[-1] == 4 else "rgb24"
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format=layout)
            frame.pts = pts[index] if pts else index
            frame.time_base = time_base or 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_raw(path: Path, picture: av.VideoFrame, codec: str = "ffv1") -> Path:
    """Encode one frame as it is, tags and all."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = picture.width, picture.height
        stream.pix_fmt = picture.format.name
        stream.codec_context.colorspace = picture.colorspace
        stream.codec_context.color_range = picture.color_range
        picture.pts = 0
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path, codec: str, seconds: int = 1) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=48000)
        for index in range(seconds * 50):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, index * 960
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def open_reader(path: Path, fps: int | Fraction = 16, **options: object) -> VideoReader:
    size = {"height": HEIGHT, "width": WIDTH}
    return VideoReader(path, fps=Fraction(fps), **(size | options))  # type: ignore[arg-type]


def read_numbers(path: Path, count: int, fps: int | Fraction = 16, **options: object) -> list[int]:
    with open_reader(path, fps, **options) as reader:
        return numbers(reader.read(0, count))


# --- probe ---------------------------------------------------------------------------------------


def test_a_clip_is_described_with_exact_fractions(tmp_path: Path) -> None:
    ntsc = Fraction(30000, 1001)
    info = probe_video(write_clip(tmp_path / "clip.mp4", numbered(20), fps=ntsc))
    assert (info.width, info.height, info.num_frames) == (WIDTH, HEIGHT, 20)
    assert info.fps == ntsc
    assert info.duration == 20 / ntsc
    assert (info.codec, info.pixel_format, info.rotation) == ("h264", "yuv420p", 0)
    assert not info.is_variable_rate
    assert not info.has_audio


@pytest.mark.parametrize("name", ["clip.mkv", "clip.flv", "clip.mp4", "clip.ts", "clip.avi"])
def test_a_constant_rate_is_known_however_the_container_rounds_time(
    tmp_path: Path, name: str
) -> None:
    info = probe_video(write_clip(tmp_path / name, numbered(50), fps=Fraction(24)))
    assert info.fps == 24
    assert info.num_frames == 50
    assert info.duration == Fraction(50, 24)
    assert not info.is_variable_rate


def test_a_variable_rate_lasts_until_its_last_frame_ends(tmp_path: Path) -> None:
    pts = [0, 100, 150, 600]
    clip = write_clip(
        tmp_path / "clip.mp4", numbered(4), pts=pts, time_base=Fraction(1, 1000), fps=Fraction(10)
    )
    info = probe_video(clip)
    assert info.is_variable_rate
    assert info.num_frames == 4
    assert info.duration >= Fraction(600, 1000)


def test_output_frames_of_a_clip_are_counted_until_it_ends(tmp_path: Path) -> None:
    info = probe_video(write_clip(tmp_path / "clip.mp4", numbered(10)))
    assert info.num_frames_at(Fraction(16)) == 10
    assert info.num_frames_at(Fraction(24)) == 15
    assert info.num_frames_at(Fraction(7)) == 5
    assert info.num_frames_at(Fraction(16), start_seconds=Fraction(1, 2)) == 2
    assert info.num_frames_at(Fraction(16), start_seconds=Fraction(9)) == 0


def test_a_turned_clip_is_described_as_shown(tmp_path: Path) -> None:
    info = probe_video(write_clip(tmp_path / "clip.mp4", numbered(2), rotation=(-90, False)))
    assert (info.width, info.height, info.rotation) == (HEIGHT, WIDTH, 90)


def test_an_image_and_a_gif_are_clips_too(tmp_path: Path) -> None:
    picture = Image.fromarray(numbered(1)[0])
    for name in ("100%d shot.png", "with:colon.jpg", "still.webp", "still.gif"):
        picture.save(tmp_path / name)
        assert probe_video(tmp_path / name).num_frames == 1
    later = [Image.fromarray(frame) for frame in numbered(3)[1:]]
    picture.save(
        tmp_path / "clip.gif", save_all=True, append_images=later, duration=[100, 100, 900]
    )
    info = probe_video(tmp_path / "clip.gif")
    assert (info.num_frames, info.duration) == (3, Fraction(11, 10))


def _truncated(tmp_path: Path, name: str, options: dict[str, str]) -> Path:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (48, HEIGHT, WIDTH, 3), np.uint8)
    with av.open(tmp_path / name, "w", options=options) as container:
        stream = container.add_stream("libx264", rate=16, options=LOSSLESS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    os.truncate(tmp_path / name, (tmp_path / name).stat().st_size // 2)
    return tmp_path / name


def _headers_alone(tmp_path: Path) -> Path:
    with av.open(tmp_path / "no-frames.mkv", "w") as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()
    return tmp_path / "no-frames.mkv"


def _empty(tmp_path: Path) -> Path:
    (tmp_path / "empty.mp4").touch()
    return tmp_path / "empty.mp4"


def _text(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).write_text("no video at all\n" * 1000)
    return tmp_path / name


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_empty, id="empty"),
        pytest.param(lambda folder: _text(folder, "text.mp4"), id="text"),
        pytest.param(lambda folder: _text(folder, "text.txt"), id="text that a demuxer draws"),
        pytest.param(lambda folder: folder, id="folder"),
        pytest.param(lambda folder: Path("/dev/null"), id="device"),
        pytest.param(lambda folder: write_sound(folder / "sound.m4a", "aac"), id="sound"),
        pytest.param(_headers_alone, id="no frames"),
        pytest.param(lambda folder: _truncated(folder, "cut.mp4", {}), id="no index"),
        pytest.param(
            lambda folder: _truncated(folder, "cut.mp4", {"movflags": "+faststart"}),
            id="cut short, mp4",
        ),
        pytest.param(lambda folder: _truncated(folder, "cut.mkv", {}), id="cut short, mkv"),
        pytest.param(lambda folder: _truncated(folder, "cut.avi", {}), id="cut short, avi"),
    ],
)
def test_what_is_no_whole_video_is_refused_in_one_line(make: object, tmp_path: Path) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        probe_video(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "; " in message
    assert "\n" not in message


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.mp4: there is no such file"):
        probe_video(tmp_path / "nowhere.mp4")


def test_reference_frames_that_are_never_shown_do_not_count(tmp_path: Path) -> None:
    flat = np.full((5, HEIGHT, WIDTH, 3), 128, np.uint8)
    clip = write_clip(tmp_path / "clip.webm", flat, codec="libvpx", fps=Fraction(10))
    with av.open(clip) as source, av.open(tmp_path / "hidden.webm", "w") as result:
        stream = result.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if not packet.size:
                continue
            data = bytes(packet)
            unshown = av.Packet(bytes([data[0] & ~16]) + data[1:])  # RFC 6386: show_frame = 0
            unshown.pts = unshown.dts = (packet.pts or 0) + 1
            unshown.time_base, unshown.is_keyframe = packet.time_base, packet.is_keyframe
            for part in (packet, unshown):
                part.stream = stream
                result.mux(part)
    assert probe_video(tmp_path / "hidden.webm").num_frames == 5


def test_a_recording_that_begins_between_keyframes_is_read(tmp_path: Path) -> None:
    options = LOSSLESS | {"g": "10", "keyint_min": "10"}
    clip = write_clip(tmp_path / "clip.ts", numbered(30), options=options)
    with av.open(clip) as source, av.open(tmp_path / "late.ts", "w") as result:
        stream = result.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux()):
            if packet.size and index >= 4:
                packet.stream = stream
                result.mux(packet)
    assert read_numbers(tmp_path / "late.ts", 26, at_end="stop") == [10] * 7 + [*range(11, 30)]


def test_sound_with_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sound.m4a", "aac")
    cover = tmp_path / "cover.png"
    Image.new("RGB", (8, 8)).save(cover)
    with (
        av.open(sound) as source,
        av.open(cover) as picture,
        av.open(tmp_path / "covered.m4a", "w", format="mp4") as result,
    ):
        audio = result.add_stream_from_template(source.streams.audio[0])
        video = result.add_stream_from_template(picture.streams.video[0])
        video.disposition = av.stream.Disposition.attached_pic
        for container, stream in ((source, audio), (picture, video)):
            for packet in container.demux():
                if packet.size:
                    packet.stream = stream
                    result.mux(packet)
    with pytest.raises(InputError, match="holds no pictures"):
        probe_video(tmp_path / "covered.m4a")


# --- which frame when ----------------------------------------------------------------------------

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
    folder = Path(__file__).parents[3] / "shared" / "data"
    clip = Path(os.environ.get("DATA_DIR", folder)) / "original.mp4"
    if not clip.exists():
        pytest.skip(f"{clip} is not there; set DATA_DIR to the folder of the example input")
    info = probe_video(clip)
    assert (info.width, info.height, info.fps, info.num_frames) == (832, 480, 16, 81)
    with VideoReader(clip, fps=info.fps, height=480, width=832, at_end="stop") as reader:
        last = [reader.read(first, 20)[-1] for first in (0, 20, 40, 60, 80)][-1]
        assert reader.num_frames == 81
    with VideoReader(clip, fps=info.fps, height=480, width=832) as reader:
        np.testing.assert_array_equal(reader.read(80, 1)[0], last)


# --- what a frame looks like ---------------------------------------------------------------------

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(size: int = 16) -> Frames:
    """Return a picture: red and green above blue and white."""
    colours = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)
    return colours.repeat(size // 2, axis=0).repeat(size, axis=1)


def corners(picture: Frames) -> list[list[int]]:
    height, width = picture.shape[:2]
    return [
        (picture[y, x].astype(int) > 128).tolist()
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ((90, False), np.rot90(quarters(), 1)),
        ((180, False), np.rot90(quarters(), 2)),
        ((-90, False), np.rot90(quarters(), 3)),
        ((0, True), quarters()[:, ::-1]),
        ((90, True), np.rot90(quarters(), 1)[:, ::-1]),
    ],
    ids=["left", "upside down", "right", "mirrored", "left and mirrored"],
)
def test_turned_and_mirrored_clips_are_shown_upright(
    rotation: tuple[int, bool], expected: Frames, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", quarters()[None], rotation=rotation)
    info = probe_video(clip)
    with open_reader(clip, height=info.height, width=info.width) as reader:
        picture = reader.read(0, 1)[0]
    assert picture.shape == expected.shape
    assert corners(picture) == corners(expected)


def test_a_photograph_is_shown_as_its_exif_says(tmp_path: Path) -> None:
    picture = Image.fromarray(quarters(64))
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: turn right
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    with open_reader(tmp_path / "photo.jpg", height=128, width=64) as reader:
        assert corners(reader.read(0, 1)[0]) == corners(np.rot90(quarters(64), 3))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("clip.png", "png", "rgba"),
        ("clip.mov", "qtrle", "argb"),
        ("clip.mov", "prores_ks", "yuva444p10le"),
        ("clip.webm", "libvpx-vp9", "yuva420p"),
        ("clip.webm", "libvpx", "yuva420p"),
    ],
)
def test_transparent_parts_become_black(
    name: str, codec: str, pixel_format: str, tmp_path: Path
) -> None:
    pixels = np.zeros((1, 32, 96, 4), np.uint8)
    pixels[..., 1], pixels[..., 3] = 200, np.repeat([0, 128, 255], 32)
    muxer = "image2" if name.endswith("png") else None
    options = {"lossless": "1"} if codec == "libvpx-vp9" else {"auto-alt-ref": "0", "qmin": "1"}
    if not codec.startswith("libvpx"):
        options = {}
    clip = write_clip(
        tmp_path / name,
        pixels,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        muxer=muxer,
    )
    with open_reader(clip, height=32, width=96) as reader:
        picture = reader.read(0, 1)[0].astype(int)
    np.testing.assert_allclose(picture[16, [16, 48, 80], 1], [0, 100, 200], atol=4)


PATCHES = [RED, GREEN, BLUE, WHITE, (0, 0, 0), (200, 120, 40), (30, 90, 200)]


def yuv_picture(rgb: tuple[int, int, int], bits: int, matrix: int, is_full: bool) -> av.VideoFrame:
    """Return a flat picture, converted by the formulas of ITU-T H.273."""
    k_red, k_blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = k_red * red + (1 - k_red - k_blue) * green + k_blue * blue
    chroma = [(blue - luma) / (2 * (1 - k_blue)), (red - luma) / (2 * (1 - k_red))]
    scale, top = 1 << (bits - 8), (1 << bits) - 1
    if is_full:
        values = [luma * top, *(128 * scale + top * c for c in chroma)]
    else:
        values = [(16 + 219 * luma) * scale, *((128 + 224 * c) * scale for c in chroma)]
    picture = av.VideoFrame(32, 32, "yuv420p" if bits == 8 else "yuv420p10le")
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    for plane, value in zip(picture.planes, values, strict=True):
        level = min(round(value), top)
        plane.update(np.full(plane.buffer_size // dtype.itemsize, level, dtype).tobytes())
    picture.colorspace, picture.color_range = matrix, 2 if is_full else 1
    return picture


@pytest.mark.parametrize("is_full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 5, 6], ids=["bt709", "bt601 625", "bt601 525"])
@pytest.mark.parametrize("bits", [8, 10])
def test_every_matrix_range_and_depth_gives_the_same_colours(
    bits: int, matrix: int, is_full: bool, tmp_path: Path
) -> None:
    for rgb in PATCHES:
        clip = write_raw(tmp_path / "clip.mkv", yuv_picture(rgb, bits, matrix, is_full))
        with open_reader(clip) as reader:
            np.testing.assert_allclose(reader.read(0, 1)[0, 8, 8].astype(int), rgb, atol=2)


def test_an_untagged_clip_has_the_matrix_of_its_size(tmp_path: Path) -> None:
    for size, matrix in (((64, 32), 6), ((1280, 720), 1)):
        picture = yuv_picture(GREEN, 8, matrix, False).reformat(*size)
        picture.colorspace, picture.color_range = 2, 0
        clip = write_raw(tmp_path / "clip.mkv", picture)
        with open_reader(clip) as reader:
            np.testing.assert_allclose(reader.read(0, 1)[0, 8, 8].astype(int), GREEN, atol=2)


def test_stretching_is_antialiased_and_bilinear(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 47, 33, 3), np.uint8)
    clip = write_clip(tmp_path / "clip.mkv", pixels, codec="ffv1", pixel_format="bgr0")
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(0, 3, 1, 2),
        size=(HEIGHT, WIDTH),
        mode="bilinear",
        antialias=True,
    ).permute(0, 2, 3, 1)
    with open_reader(clip) as reader:
        np.testing.assert_array_equal(reader.read(0, 1), expected.numpy())


def test_cropping_fills_and_padding_keeps_everything(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", quarters(16)[None], codec="ffv1", pixel_format="bgr0")
    with open_reader(clip, height=16, width=16, fit="crop") as reader:
        cropped = reader.read(0, 1)[0]
    np.testing.assert_array_equal(cropped, quarters(16)[:, 8:24])
    with open_reader(clip, height=32, width=32, fit="pad") as reader:
        padded = reader.read(0, 1)[0]
    np.testing.assert_array_equal(padded[8:24], quarters(16))
    assert not padded[:8].any()
    assert not padded[24:].any()


def test_pixels_that_are_not_square_count_when_cropping_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10, options=LOSSLESS)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        white = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 255, np.uint8))
        container.mux(stream.encode(white))
        container.mux(stream.encode(None))
    assert probe_video(path).sample_aspect == 2
    with open_reader(path, height=32, width=32, fit="pad") as reader:
        rows = reader.read(0, 1)[0, :, 16, 0]
    assert rows.tolist() == [0] * 8 + [255] * 16 + [0] * 8
    with open_reader(path, height=32, width=32, fit="stretch") as reader:
        assert reader.read(0, 1).min() == 255


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
