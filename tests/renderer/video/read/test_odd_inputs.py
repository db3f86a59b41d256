"""Inputs as people have them: appended takes, jumping clocks, fields, several streams."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av import VideoStream
from av.stream import Disposition
from numpy.typing import NDArray

from rushes.errors import InputError
from rushes.video.read import input_file
from rushes.video.read.fit import Deinterlace
from rushes.video.read.probe import probe_video
from rushes.video.read.reader import VideoReader

HEIGHT, WIDTH = 64, 96


def write(
    path: Path,
    greys: list[int],
    *,
    offset_seconds: Callable[[int], float] = lambda index: 0,
    container: str | None = None,
    options: dict[str, str] | None = None,
    combed: bool = False,
) -> Path:
    """Write an H.264 clip of 25 fps, one grey a frame; ``combed`` ones have moving fields."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(
            "libx264", rate=25, options={"bf": "2", "g": "50"} | (options or {})
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        packets = []
        for index, grey in enumerate(greys):
            picture = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
            if combed:
                for field in (0, 1):
                    edge = 10 + 8 * (2 * index + field)
                    picture[field::2, :edge] = 255
            packets += stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24"))
        packets += stream.encode(None)
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            shift = offset_seconds(round(packet.pts * packet.time_base * 25))
            ticks = round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            output.mux(packet)
    return path


def greys_of(path: Path, count: int = 1000) -> list[int]:
    info = probe_video(path)
    with VideoReader(path, fps=info.fps, height=HEIGHT, width=WIDTH, at_end="stop") as reader:
        return [int(frame.mean()) for frame in reader.read(0, count)]


def test_takes_appended_byte_by_byte_all_play(tmp_path: Path) -> None:
    first = write(tmp_path / "a.mkv", [40] * 25).read_bytes()
    second = write(tmp_path / "b.mkv", [200] * 25).read_bytes()
    path = tmp_path / "takes.mkv"
    path.write_bytes(first + second)
    info = probe_video(path)
    assert (info.num_frames, float(info.duration)) == (50, 2)
    greys = greys_of(path)
    assert (greys[24] < 60, greys[25] > 180, len(greys)) == (True, True, 50)
    assert "2 takes are appended; played one after another" in info.remarks()[0]


@pytest.mark.parametrize("seconds", [100.0, -0.5, -20.0])
def test_a_jumping_clock_of_a_broadcast_goes_on(tmp_path: Path, seconds: float) -> None:
    first = write(tmp_path / "a.ts", [40] * 25, offset_seconds=lambda index: 30)
    second = write(tmp_path / "b.ts", [200] * 25, offset_seconds=lambda index: 31 + seconds)
    path = tmp_path / "takes.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    info = probe_video(path)
    assert info.num_frames == 50
    assert 1.9 < info.duration < 2.3
    assert len(info.jumps) == 1


def test_a_pause_that_is_meant_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [40] * 50, offset_seconds=lambda index: 9 * (index >= 25))
    assert probe_video(path).duration > 10
    assert probe_video(path).remarks() == ()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_an_ordinary_clip_has_no_remarks(tmp_path: Path, name: str) -> None:
    assert probe_video(write(tmp_path / name, [40] * 60)).remarks() == ()


def comb(frames: np.ndarray) -> float:
    """How much neighbouring rows differ."""
    return float(np.abs(np.diff(frames[..., 0].astype(int), axis=1)).mean())


def test_interlaced_frames_are_made_whole_unless_asked_not_to(tmp_path: Path) -> None:
    flags = {"x264-params": "interlaced=1:tff=1", "flags": "+ildct+ilme"}
    path = write(tmp_path / "a.mkv", [0] * 5, options=flags, combed=True)
    info = probe_video(path)
    assert info.is_interlaced
    assert "interlaced: deinterlaced" in info.remarks()[0]
    found = {}
    for choice in ("auto", "off"):
        with VideoReader(
            path, fps=info.fps, height=HEIGHT, width=WIDTH, at_end="stop", deinterlace=choice
        ) as reader:
            found[choice] = reader.read(0, 5)
            assert len(found[choice]) == 5
            assert np.array_equal(reader.read(3, 1)[0], found[choice][3])
    assert comb(found["auto"]) < comb(found["off"]) / 4


FIELDS = {"x264-params": "interlaced=1:tff=1", "flags": "+ildct+ilme"}


def read_with(path: Path, deinterlace: Deinterlace) -> NDArray[np.uint8]:
    info = probe_video(path)
    with VideoReader(
        path, fps=info.fps, height=HEIGHT, width=WIDTH, at_end="stop", deinterlace=deinterlace
    ) as reader:
        return reader.read(0, 100)


@pytest.mark.parametrize("suffix", ["ts", "mp4", "mkv"])
def test_fields_that_come_later_are_made_whole_and_whole_pictures_are_kept(
    tmp_path: Path, suffix: str
) -> None:
    whole = write(tmp_path / f"a.{suffix}", [0] * 12, combed=True)
    fields = write(tmp_path / f"b.{suffix}", [0] * 5, options=FIELDS, combed=True)
    path = tmp_path / f"all.{suffix}"
    path.write_bytes(whole.read_bytes() + fields.read_bytes())
    assert any("interlaced: deinterlaced" in remark for remark in probe_video(path).remarks())
    found, woven = read_with(path, "auto"), read_with(path, "off")
    assert len(found) == len(woven) == 17
    assert np.array_equal(found[:11], woven[:11])
    assert comb(found[12:]) < comb(woven[12:]) / 4


@pytest.mark.parametrize("top_first", [True, False])
def test_fields_that_only_the_container_tells_of_are_made_whole(
    tmp_path: Path, top_first: bool
) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.codec_context.field_order = 2 if top_first else 3
        for index in range(5):
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            for field in (0, 1):
                later = field if top_first else 1 - field
                picture[field::2, : 10 + 8 * (2 * index + later)] = 255
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
    assert "interlaced (as its container says): deinterlaced" in probe_video(path).remarks()[0]
    found = read_with(path, "auto")
    assert comb(found) < comb(read_with(path, "off")) / 3
    edges = [int((frame[20, :, 0] > 128).sum()) for frame in found]
    assert edges == sorted(edges)  # with the fields the wrong way round it moves to and fro


@pytest.mark.parametrize(("is_default", "width"), [(False, 96), (True, 48)])
def test_the_default_stream_is_taken_else_the_largest(
    tmp_path: Path, is_default: bool, width: int
) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        streams = []
        for size in (48, 96):
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = size, 64, "yuv420p"
            chosen = Disposition.default if is_default and size == 48 else Disposition(0)
            stream.disposition = chosen
            streams.append(stream)
        for stream in streams:
            picture = np.full((64, stream.width, 3), 40, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            output.mux([*stream.encode(frame), *stream.encode(None)])
    assert probe_video(path).width == width


COVER, FILM, LARGE = ("mjpeg", 240, 1), ("libx264", 96, 12), ("libx264", 192, 12)


def write_streams(path: Path, *streams: tuple[str, int, int, Disposition]) -> Path:
    """Write streams of a codec, a width, a number of frames and a disposition each."""
    with av.open(str(path), "w") as output:
        packets = []
        for codec, width, _, disposition in streams:
            stream = cast(VideoStream, output.add_stream(codec, rate=25))
            stream.width, stream.height = width, 64
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
        for stream, (_, width, count, _) in zip(output.streams.video, streams, strict=True):
            for _ in range(count):
                picture = np.full((64, width, 3), 40, np.uint8)
                packets += stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24"))
            packets += stream.encode(None)
        output.start_encoding()
        output.mux(sorted(packets, key=lambda packet: packet.dts or 0))
    return path


DEFAULT, NONE = Disposition.default, Disposition(0)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
@pytest.mark.parametrize(
    ("streams", "width"),
    [
        pytest.param(((*COVER, NONE), (*FILM, NONE)), 96, id="a cover"),
        pytest.param(((*COVER, DEFAULT), (*FILM, NONE)), 96, id="a cover as default"),
        pytest.param(((*FILM, NONE), (*COVER, DEFAULT)), 96, id="a cover behind"),
        pytest.param((("libx264", 240, 0, DEFAULT), (*FILM, NONE)), 96, id="an empty one"),
        pytest.param(((*FILM, DEFAULT), (*LARGE, DEFAULT)), 192, id="the largest"),
        pytest.param(((*LARGE, NONE), (*FILM, DEFAULT)), 96, id="the default"),
    ],
)
def test_a_film_goes_before_stills_the_default_before_others(
    tmp_path: Path, name: str, streams: tuple[tuple[str, int, int, Disposition], ...], width: int
) -> None:
    path = write_streams(tmp_path / name, *streams)
    info = probe_video(path)
    assert (info.width, info.num_frames) == (width, 12)
    assert len(greys_of(path)) == 12
    remarks = "".join(info.remarks())
    assert ("streams of pictures; number" in remarks) == (info.num_streams > 1)


def test_a_single_still_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    assert probe_video(write_streams(tmp_path / "a.mkv", (*COVER, NONE))).num_frames == 1


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_takes_of_one_picture_are_not_dropped(tmp_path: Path, suffix: str) -> None:
    takes = [write(tmp_path / f"{grey}.{suffix}", [grey]).read_bytes() for grey in (40, 120, 200)]
    path = tmp_path / f"all.{suffix}"
    path.write_bytes(b"".join(takes))
    assert len(greys_of(path)) == 3


def test_streams_may_come_to_light_later_in_a_broadcast(tmp_path: Path) -> None:
    first = write(tmp_path / "a.ts", [40] * 25).read_bytes()
    path = tmp_path / "b.ts"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sounds = [output.add_stream("mp2", rate=48000) for _ in range(8)]
        picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
        for _ in range(25):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
        for sound in sounds:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 11520), np.int16), "s16", "mono")
            silence.sample_rate = 48000
            output.mux([*sound.encode(silence), *sound.encode(None)])
    joined = tmp_path / "all.ts"
    padding = bytes([0x47, 0x1F, 0xFF, 0x10]) + bytes(184)
    far = padding * 30_000  # FFmpeg looks at the first 5 MB, and at the end
    joined.write_bytes(first + far + path.read_bytes() + far + first)
    assert len(greys_of(joined)) == 75


def test_a_recording_may_end_in_the_middle_of_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.mpg"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        noise = np.random.default_rng(3).integers(0, 255, (25, HEIGHT, WIDTH, 3), np.uint8)
        for picture in noise:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
    whole = path.read_bytes()
    for num_bytes in range(len(whole) // 2, len(whole) // 2 + 4000, 800):
        path.write_bytes(whole[:num_bytes])
        assert len(greys_of(path)) > 5


def test_an_animated_webp_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes([2]) + bytes(9)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk)
    with pytest.raises(InputError, match="animated WebP, which FFmpeg does not read"):
        probe_video(path)


def test_pictures_beyond_the_limit_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", 16000, 8192, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in (header, b"IDAT" + zlib.compress(bytes(100)))
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(InputError, match=r"is 16000 x 8192, more than 49 million pixels"):
        probe_video(path)


def test_files_beyond_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_file, "MOST_BYTES", 100)
    with pytest.raises(InputError, match="at most 0 are allowed"):
        probe_video(write(tmp_path / "a.mp4", [40] * 3))


def test_metadata_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "abcdefgh"
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "rgb24")
        output.mux([*stream.encode(frame), *stream.encode(None)])
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"ab\xff\xfe\x80fgh"))
    assert probe_video(path).num_frames == 1
    assert Fraction(25) == probe_video(path).fps
