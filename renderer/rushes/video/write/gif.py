"""Write frames into an endlessly looping GIF, each with the best palette for it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.video import VideoStream

from rushes.errors import ConfigError
from rushes.video.read.convert import Picture
from rushes.video.write.segments import read_frames

# Browsers slow down what is shown for less than two hundredths of a second.
MAX_FPS = 50


def write_gif(
    file: Path, segments: Sequence[Path], *, fps: Fraction, width: int, height: int
) -> None:
    """Turn lossless segments into a GIF."""
    gif = _Gif(file, fps=fps, width=width, height=height)
    try:
        for frame in read_frames(segments):
            gif.write(frame)
        gif.finish()
    except BaseException:
        gif.cancel()
        raise


def refuse_rate(fps: Fraction) -> None:
    """Raise a ConfigError for a rate that GIF players do not show."""
    if fps > MAX_FPS:
        raise ConfigError(
            f"fps is {float(fps):g}; a GIF shows at most {MAX_FPS} frames a second, "
            "render at a lower rate or into a .mp4",
            field="fps",
        )


class _Gif:
    """One GIF file, written as the frames come: a palette a frame, so none has to wait."""

    def __init__(self, file: Path, *, fps: Fraction, width: int, height: int) -> None:
        self._time_base = 1 / fps
        self._num_frames = 0
        self._graph = _palette_graph(width, height, self._time_base)
        self._container = av.open(
            f"file:{file.absolute()}", "w", format="gif", container_options={"loop": "0"}
        )
        stream = self._container.add_stream("gif", rate=fps)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "pal8"
        context.time_base = self._time_base

    def write(self, frame: Picture) -> None:
        """Encode a frame."""
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = self._num_frames, self._time_base
        self._num_frames += 1
        self._push(picture)

    def finish(self) -> None:
        """Write what the palette graph and the encoder still hold."""
        self._push(None)
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def cancel(self) -> None:
        """Release the file, whatever its state."""
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()

    def _push(self, picture: av.VideoFrame | None) -> None:
        self._graph.vpush(picture)
        with contextlib.suppress(av.BlockingIOError, av.EOFError):  # nothing more to pull for now
            while True:
                self._container.mux(self._stream.encode(self._graph.vpull()))


def _palette_graph(width: int, height: int, time_base: Fraction) -> Graph:
    """Return rgb24 -> pal8: palettegen makes a frame's palette, paletteuse applies it.

    The ordered pattern is fixed in place: it does not shimmer, and compresses better than noise.
    """
    graph = Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=time_base
    )
    split = graph.add("split")
    generate = graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(generate, 0)
    split.link_to(use, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
