"""Looks at keyframes throughout a file: pictures may change in the middle of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import av
from av.packet import Packet
from av.stream import Stream
from av.video import VideoStream

from rushes.video.read.colour import Colour
from rushes.video.read.input_file import MOST_PIXELS

# Codecs whose pictures are never interlaced, and whose files are rarely joined from others.
_LEFT_OUT = {"vp8", "vp9", "av1", "gif", "png", "apng", "webp"}
# Every keyframe at first, then at distances that grow: 50 of a film of two hours.
_FIRST_LOOKS = 8
_GROWTH = 1.2


class Looks:
    """What the pictures of a stream are like, as far as keyframes tell."""

    def __init__(self, stream: VideoStream) -> None:
        self._index, self._context = stream.index, stream.codec_context
        self._is_wanted = self._context.name not in _LEFT_OUT
        self._context.options = {"max_pixels": str(MOST_PIXELS)}
        self._num_looks = self._num_pictures = 0
        self._next_look = 0.0
        self.is_interlaced = False
        self.colours: dict[Colour, None] = {}  # a set that keeps the order

    def watch(self, packets: Iterable[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        """Yield the packets; decode a keyframe of the stream now and then."""
        for packet in packets:
            yield packet
            if not self._is_wanted or packet.stream_index != self._index or not packet.size:
                continue
            self._num_pictures += 1
            if packet.is_keyframe and self._num_pictures >= self._next_look:
                self._num_looks += 1
                if self._num_looks >= _FIRST_LOOKS:
                    self._next_look = self._num_pictures * _GROWTH
                self._decode(packet)
        if self._num_looks:
            self._decode(None)

    def see(self, frame: av.VideoFrame) -> None:
        """Note what a decoded frame is like."""
        self.is_interlaced = self.is_interlaced or frame.interlaced_frame
        colour = Colour.of(frame)
        if colour is not None:
            self.colours[colour] = None

    def _decode(self, packet: Packet[Any] | None) -> None:
        with suppress(av.FFmpegError):  # damage is found and named by whoever renders
            for frame in self._context.decode(packet):
                self.see(frame)
