"""Small clips of every kind, made here, whose grey frames tell their number."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av import AudioStream, VideoStream
from numpy.typing import NDArray

from rushes.video.read.reader import VideoReader

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
    muxer_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Encode frames, at the rate or at chosen time stamps."""
    with av.open(path, "w", format=muxer, options=muxer_options or {}) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=fps))
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = time_base or 1 / fps
        chosen = LOSSLESS if codec == "libx264" and options is None else options or {}
        stream.options = dict(chosen)
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
        stream = cast(VideoStream, container.add_stream(codec, rate=10))
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
        stream = cast(AudioStream, container.add_stream(codec, rate=48000))
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
