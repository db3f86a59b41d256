"""Plays takes that were appended byte by byte one after another, whatever each is made of."""

from __future__ import annotations

import gc
from bisect import bisect_right
from fractions import Fraction
from itertools import accumulate

from rushes.video.read.decoder import FrameDecoder, TimedFrame
from rushes.video.read.fit import Deinterlace
from rushes.video.read.probe import VideoInfo

# A clip that is looped comes back to its takes; each open one holds some frames.
_MOST_OPEN = 4
# PyAV lets go of a closed decoder only when Python collects garbage; that takes 0.1 s.
_COLLECT_AFTER = 16


def open_decoder(info: VideoInfo, deinterlace: Deinterlace) -> FrameDecoder | TakesDecoder:
    """Open a video for decoding, of one take or of several."""
    return (TakesDecoder if info.takes else FrameDecoder)(info, deinterlace)


class TakesDecoder:
    """The frames of all takes in order of presentation; used like a `FrameDecoder`."""

    can_seek = True  # to a take at least

    def __init__(self, info: VideoInfo, deinterlace: Deinterlace = "auto") -> None:
        self._takes, self._deinterlace = info.takes, deinterlace
        self._begins = [Fraction(0), *accumulate(take.duration for take in info.takes)]
        self._open: dict[int, FrameDecoder] = {}
        self._index = self._num_closed = 0

    def seek(self, seconds: Fraction) -> None:
        """Go to a frame shown at this time or before."""
        self._index = min(bisect_right(self._begins, seconds), len(self._takes)) - 1
        self._decoder().seek(seconds - self._begins[self._index])

    def read(self) -> TimedFrame | None:
        """Return the next frame, or None after the last one.

        Raises: see `FrameDecoder.read`.
        """
        while self._index < len(self._takes):
            frame = self._decoder().read()
            if frame is not None:
                seconds = self._begins[self._index] + frame.seconds
                return TimedFrame(seconds, frame.picture, frame.info)
            self._index += 1
            if self._index in self._open:
                self._open[self._index].seek(Fraction(0))
        return None

    def close(self) -> None:
        """Release the file."""
        for decoder in self._open.values():
            decoder.close()
        self._open.clear()

    def _decoder(self) -> FrameDecoder:
        if self._index not in self._open:
            if len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
                self._num_closed += 1
                if self._num_closed % _COLLECT_AFTER == 0:
                    gc.collect()
            self._open[self._index] = FrameDecoder(self._takes[self._index], self._deinterlace)
        return self._open[self._index]
