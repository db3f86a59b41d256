"""Sound goes along with the pictures: copied or encoded, in step, cut where they end."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from renders.clips import numbered, write_clip
from rushes.errors import InputError, MissingFileError
from rushes.video.audio import AudioSource
from rushes.video.write.writer import open_writer

RATE = 48000
FPS = Fraction(16)


def write_source(
    path: Path,
    codec: str,
    *,
    seconds: float = 4,
    has_video: bool = True,
    video_offset: int = 0,
    clicks_at: float = 0,
    options: dict[str, str] | None = None,
    rate: int = RATE,
) -> Path:
    """Write a file whose sound is silent but for one click each second."""
    with av.open(path, "w", options=options or {}) as container:
        if has_video:
            name = "libvpx" if path.suffix == ".webm" else "libx264"
            video = cast(av.VideoStream, container.add_stream(name, rate=16))
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = cast(av.AudioStream, container.add_stream(codec, rate=rate))
        sound.codec_context.layout = "mono"
        if has_video:
            for index in range(round(seconds * 16)):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
                frame.pts = index + video_offset
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        samples = np.zeros(round(seconds * rate), np.float32)
        for second in range(int(seconds)):
            begin = round((second + clicks_at) * rate)
            samples[begin : begin + 480] = 0.8
        for first in range(0, len(samples), 960):
            part = av.AudioFrame.from_ndarray(samples[None, first : first + 960], "fltp", "mono")
            part.sample_rate, part.pts, part.time_base = rate, first, Fraction(1, rate)
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return path


def render(path: Path, audio: AudioSource, num_frames: int = 40) -> tuple[str, ...]:
    with open_writer(path, fps=FPS, width=32, height=32, audio=audio) as writer:
        for _ in range(num_frames // 4):
            writer.write(np.zeros((4, 32, 32, 3), np.uint8))
    return writer.warnings


def clicks(path: Path) -> list[float]:
    """Return the times at which the clicks of a file begin, in seconds."""
    loud: list[float] = []
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float64).reshape(-1)
            samples /= 1 if frame.format.name.startswith("flt") else 32768
            for index in np.flatnonzero(np.abs(samples) > 0.4):
                time = float(frame.time or 0) + int(index) / frame.sample_rate
                if not loud or time - loud[-1] > 0.1:
                    loud.append(time)
    return loud


def sound_end(path: Path) -> float:
    with av.open(path) as container:
        stream = container.streams.audio[0]
        return max(
            float((packet.pts + packet.duration) * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.duration
        )


def codec_of(path: Path) -> str:
    with av.open(path) as container:
        return str(container.streams.audio[0].codec_context.codec.canonical_name)


def sound_bytes(path: Path) -> bytes:
    with av.open(path) as container:
        return b"".join(bytes(packet) for packet in container.demux(audio=0) if packet.size)


@pytest.mark.parametrize(
    ("source", "codec", "result", "expected"),
    [
        ("in.mp4", "aac", "out.mp4", "aac"),
        ("in.mp4", "aac", "out.mov", "aac"),
        ("in.mp4", "aac", "out.mkv", "aac"),
        ("in.ts", "aac", "out.mp4", "aac"),
        ("in.webm", "libopus", "out.webm", "opus"),
        ("in.webm", "libopus", "out.mp4", "opus"),
        ("in.mov", "pcm_s16le", "out.mov", "pcm_s16le"),
        ("in.mov", "pcm_s16le", "out.mkv", "pcm_s16le"),
    ],
)
def test_sound_is_copied_where_the_container_takes_it(
    source: str, codec: str, result: str, expected: str, tmp_path: Path
) -> None:
    original = write_source(tmp_path / source, codec)
    assert render(tmp_path / result, AudioSource(original)) == ()
    assert codec_of(tmp_path / result) == expected
    if source != "in.ts":  # a transport stream wraps each packet
        assert sound_bytes(tmp_path / result) in sound_bytes(original)
    np.testing.assert_allclose(clicks(tmp_path / result), [0, 1, 2], atol=0.03)
    assert 2.4 < sound_end(tmp_path / result) <= 2.501


@pytest.mark.parametrize(
    ("source", "codec", "result", "expected"),
    [
        ("in.mp4", "aac", "out.webm", "opus"),
        ("in.webm", "libopus", "out.mov", "aac"),
        ("in.mov", "pcm_s16le", "out.mp4", "aac"),
    ],
)
def test_sound_is_encoded_where_the_container_does_not_take_it(
    source: str, codec: str, result: str, expected: str, tmp_path: Path
) -> None:
    original = write_source(tmp_path / source, codec)
    assert render(tmp_path / result, AudioSource(original)) == ()
    assert codec_of(tmp_path / result) == expected
    np.testing.assert_allclose(clicks(tmp_path / result), [0, 1, 2], atol=0.03)
    assert 2.4 < sound_end(tmp_path / result) <= 2.53


@pytest.mark.parametrize(
    ("start", "expected"),
    [(Fraction(3, 4), [0.25, 1.25, 2.25]), (Fraction(-1, 2), [0.5, 1.5])],
    ids=["later in the file", "after the first frame"],
)
@pytest.mark.parametrize("result", ["out.mp4", "out.webm", "out.mkv"])
def test_sound_can_start_anywhere(
    result: str, start: Fraction, expected: list[float], tmp_path: Path
) -> None:
    music = write_source(tmp_path / "music.m4a", "aac", has_video=False)
    render(tmp_path / result, AudioSource(music, start))
    np.testing.assert_allclose(clicks(tmp_path / result), expected, atol=0.03)
    with av.open(tmp_path / result) as container:
        assert container.streams.video[0].start_time == 0


def test_sound_stays_in_step_with_pictures_that_begin_late(tmp_path: Path) -> None:
    original = write_source(tmp_path / "in.mkv", "pcm_s16le", video_offset=8)
    render(tmp_path / "out.mkv", AudioSource(original))
    np.testing.assert_allclose(clicks(tmp_path / "out.mkv"), [0.5, 1.5], atol=0.03)


def test_sound_ends_where_its_source_does(tmp_path: Path) -> None:
    original = write_source(tmp_path / "in.mp4", "aac", seconds=1)
    render(tmp_path / "out.mp4", AudioSource(original), num_frames=400)
    assert sound_end(tmp_path / "out.mp4") < 1.1
    with av.open(tmp_path / "out.mp4") as container:
        assert container.streams.video[0].frames == 400


def test_pictures_and_sound_lie_close_together_in_the_file(tmp_path: Path) -> None:
    original = write_source(tmp_path / "in.mp4", "aac", seconds=30)
    render(tmp_path / "out.mp4", AudioSource(original), num_frames=480)
    with av.open(tmp_path / "out.mp4") as container:
        times = [(p.stream_index, p.dts * p.time_base) for p in container.demux() if p.dts]
    latest = {0: Fraction(0), 1: Fraction(0)}
    for index, time in times:
        latest[index] = time
        assert abs(latest[0] - latest[1]) < 2


def test_sound_does_not_change_from_run_to_run(tmp_path: Path) -> None:
    original = write_source(tmp_path / "in.mp4", "aac")
    for name in ("out.mp4", "out.webm"):
        render(tmp_path / name, AudioSource(original))
        first = (tmp_path / name).read_bytes()
        render(tmp_path / name, AudioSource(original))
        assert (tmp_path / name).read_bytes() == first


def test_an_input_without_sound_is_a_warning(tmp_path: Path) -> None:
    with open_writer(tmp_path / "in.mp4", fps=FPS, width=32, height=32) as writer:
        writer.write(np.zeros((4, 32, 32, 3), np.uint8))
    warnings = render(tmp_path / "out.mp4", AudioSource(tmp_path / "in.mp4"))
    assert warnings == (f"{tmp_path / 'in.mp4'}: holds no sound; the result is silent",)
    with av.open(tmp_path / "out.mp4") as container:
        assert not container.streams.audio


@pytest.mark.parametrize("name", ["out.gif", "out.png"])
def test_results_that_hold_no_sound_say_so(name: str, tmp_path: Path) -> None:
    original = write_source(tmp_path / "in.mp4", "aac", seconds=1)
    (warning,) = render(tmp_path / name, AudioSource(original), num_frames=4)
    assert "holds no sound; render into a .mp4 to keep it" in warning


def test_an_audio_file_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        render(tmp_path / "out.mp4", AudioSource(tmp_path / "nowhere.wav"))
    (tmp_path / "text.wav").write_text("no sound\n" * 100)
    with pytest.raises(InputError):
        render(tmp_path / "out.mp4", AudioSource(tmp_path / "text.wav"))
    assert [path.name for path in tmp_path.iterdir()] == ["text.wav"]


# --- time stamps that start anew or jump ---------------------------------------------------------


def appended(folder: Path, name: str, codec: str, *parts: dict[str, Any]) -> Path:
    """Write takes one behind the other, byte by byte."""
    usual: dict[str, Any] = {"codec": codec, "seconds": 2, "clicks_at": 0.5}
    takes = [
        write_source(folder / f"{index}-{name}", **(usual | part))
        for index, part in enumerate(parts)
    ]
    joined = folder / name
    joined.write_bytes(b"".join(take.read_bytes() for take in takes))
    return joined


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("in.ts", "aac"), ("in.mkv", "aac"), ("in.mkv", "flac"), ("in.mpg", "mp2")),
        *(("in.mp4", "aac"), ("in.mov", "aac")),
    ],
)
def test_the_sound_of_appended_takes_goes_on(name: str, codec: str, tmp_path: Path) -> None:
    joined = appended(tmp_path, name, codec, {}, {}, {})
    render(tmp_path / "out.mkv", AudioSource(joined), num_frames=96)
    assert clicks(tmp_path / "out.mkv") == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], abs=0.07)
    assert sound_end(tmp_path / "out.mkv") == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("out", ["out.mp4", "out.mkv"])
def test_takes_with_another_rate_or_codec_of_sound_are_heard(
    name: str, out: str, tmp_path: Path
) -> None:
    takes: list[dict[str, Any]] = [{}, {"rate": 44100}, {"codec": "mp3"}]
    joined = appended(tmp_path, name, "aac", *takes)
    render(tmp_path / out, AudioSource(joined), num_frames=96)
    assert clicks(tmp_path / out) == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], abs=0.07)


def test_a_take_without_sound_is_silent(tmp_path: Path) -> None:
    takes = [
        write_source(tmp_path / "1.mp4", "aac", seconds=2, clicks_at=0.5).read_bytes(),
        write_clip(tmp_path / "2.mp4", numbered(32)).read_bytes(),
    ]
    joined = tmp_path / "in.mp4"
    joined.write_bytes(takes[0] + takes[1] + takes[0])
    render(tmp_path / "out.mp4", AudioSource(joined), num_frames=96)
    assert clicks(tmp_path / "out.mp4") == pytest.approx([0.5, 1.5, 4.5, 5.5], abs=0.07)


def test_a_jump_of_the_sound_closes_as_that_of_the_pictures(tmp_path: Path) -> None:
    later = {"options": {"output_ts_offset": "500"}}
    joined = appended(tmp_path, "in.ts", "aac", {}, later)
    render(tmp_path / "out.mp4", AudioSource(joined), num_frames=64)
    assert clicks(tmp_path / "out.mp4") == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.07)


def test_a_take_whose_sound_sets_in_late_stays_with_its_pictures(tmp_path: Path) -> None:
    """Its pictures begin half a second before its sound."""
    joined = appended(tmp_path, "in.ts", "aac", {}, {"video_offset": -8})
    render(tmp_path / "out.mp4", AudioSource(joined), num_frames=80)
    assert clicks(tmp_path / "out.mp4") == pytest.approx([0.5, 1.5, 3.0, 4.0], abs=0.07)


def test_appended_sound_without_pictures_goes_on(tmp_path: Path) -> None:
    joined = appended(tmp_path, "in.ts", "aac", {"has_video": False}, {"has_video": False})
    render(tmp_path / "out.mp4", AudioSource(joined), num_frames=64)
    assert clicks(tmp_path / "out.mp4") == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.07)
