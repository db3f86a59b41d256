"""Encode RGB frames, one by one, as a video stream of a container."""

from __future__ import annotations

import os
from fractions import Fraction

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video import VideoStream
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)

from rushes.video.read.convert import EXACT, Picture
from rushes.video.write.codecs import Encoder
from rushes.video.write.priority import kept_priority

_RGB = "rgb24"


class FrameEncoder:
    """A constant-rate stream of a container, and the way frames take to it.

    Pictures are bt.709 in limited range, but for lossless encoders of RGB.

    Frame n is shown at n / fps exactly, as far as the container's own time base can say so.
    """

    def __init__(
        self,
        container: OutputContainer,
        encoder: Encoder,
        *,
        fps: Fraction,
        width: int,
        height: int,
    ) -> None:
        if encoder.library == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it has no other way to keep it off stderr
        stream = container.add_stream(encoder.library, rate=fps, options=dict(encoder.options))
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = encoder.pixel_format
        context.time_base = 1 / fps
        context.bit_rate = 0  # quality rules, not size
        if encoder.pixel_format != _RGB:
            context.color_primaries = ColorPrimaries.BT709
            context.color_trc = ColorTrc.BT709
            context.colorspace = Colorspace.ITU709
            context.color_range = ColorRange.MPEG
        if encoder.tag and container.format.name in {"mp4", "mov"}:
            context.codec_tag = encoder.tag
        with kept_priority():
            context.open(strict=False)
        self._stream = stream
        self._time_base = 1 / fps
        self._pixel_format = encoder.pixel_format
        self._reformatter = VideoReformatter()
        self.num_frames = 0

    def encode(self, frame: Picture) -> list[Packet[VideoStream]]:
        """Take the next frame; return the packets that are ready, perhaps of earlier frames.

        Shapes:
            frame: [H, W, 3]
        """
        picture = av.VideoFrame.from_ndarray(frame, format=_RGB)
        if self._pixel_format != _RGB:
            picture = self._reformatter.reformat(
                picture,
                format=self._pixel_format,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
                interpolation=EXACT,
            )
            picture.color_primaries = ColorPrimaries.BT709
            picture.color_trc = ColorTrc.BT709
        picture.pts, picture.time_base = self.num_frames, self._time_base
        self.num_frames += 1
        return self._stream.encode(picture)

    def flush(self) -> list[Packet[VideoStream]]:
        """Return the packets of the last frames; nothing can be encoded after it."""
        return self._stream.encode(None)
