"""Inputs of every kind are described truly, and what is not a whole video is refused."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from renders.clips import (
    HEIGHT,
    LOSSLESS,
    WIDTH,
    numbered,
    read_numbers,
    write_clip,
    write_sound,
)
from rushes.errors import InputError, MissingFileError
from rushes.video.read.probe import probe_video


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
