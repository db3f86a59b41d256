"""Decode a video's frames in order, each with the time at which it is shown, from any time on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av

from rushes.errors import InputError, VideoError
from rushes.video.read.deinterlace import deinterlaced
from rushes.video.read.fit import Deinterlace
from rushes.video.read.input_file import decode_pictures, label, open_input
from rushes.video.read.probe import VideoInfo
from rushes.video.read.streams import find_pictures

# Containers whose index leads to a frame from which all later ones decode as from the start.
_INDEXED = {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"}
# An index may lead to a frame that is shown after the wanted time; the second try looks earlier.
_STEP_BACK = Fraction(10)


@dataclass(frozen=True)
class TimedFrame:
    """A decoded frame and the second at which it is first shown; the clip's first is at 0."""

    seconds: Fraction
    picture: av.VideoFrame
    info: VideoInfo  # of its take


class FrameDecoder:
    """The frames of one video in order of presentation, from its start or a later time.

    Frames of a constant-rate video lie exactly at multiples of its frame duration, so that time
    stamps which the container rounds never show a frame too late.
    """

    def __init__(self, info: VideoInfo, deinterlace: Deinterlace = "auto") -> None:
        self._info = info
        self._container = open_input(info.path, info.part)
        self._deinterlaces = info.is_interlaced and deinterlace == "auto"
        # What looks at frames and stamps before its own must have read those.
        is_alone = not self._deinterlaces and not info.jumps
        has_index = self._container.format.name in _INDEXED
        self.can_seek = info.has_timestamps and has_index and is_alone
        self._frames = self._start(None)

    def seek(self, seconds: Fraction) -> None:
        """Go to a frame shown at this time or before; a video without an index, to its start."""
        if self.can_seek and seconds > 0:
            for target in (seconds, seconds - _STEP_BACK):
                self._frames = self._start(target)
                first = self.read()
                if first is not None and first.seconds <= seconds:
                    self._frames = chain([first], self._frames)
                    return
        self._frames = self._start(None)

    def read(self) -> TimedFrame | None:
        """Return the next frame, or None after the last one.

        Raises: InputError when not even the first frame decodes; VideoError when a later one fails.
        """
        return next(self._frames, None)

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _start(self, seconds: Fraction | None) -> Iterator[TimedFrame]:
        """Return the frames from a time on, or all of them.

        Within one container where its index allows it; else the file is opened anew. (PyAV lets go
        of a closed container's decoder only when Python collects garbage, so opening a short clip
        again and again would fill the memory.)
        """
        self._frames = iter(())  # ends the generator before: it must not touch the container again
        if not self.can_seek:
            self._container.close()
            self._container = open_input(self._info.path, self._info.part)
            return self._decode(None)
        return self._decode(seconds or Fraction(0))

    def _decode(self, start_seconds: Fraction | None) -> Iterator[TimedFrame]:
        stream = find_pictures(self._container, self._info.path, self._info.part)
        assert stream.time_base is not None
        last: TimedFrame | None = None
        try:
            if start_seconds is not None:
                ticks = (start_seconds + self._info.start_seconds) / stream.time_base
                self._container.seek(int(ticks), stream=stream)
            pictures = decode_pictures(self._container, stream)
            if self._deinterlaces:
                pictures = deinterlaced(pictures, stream, self._info.stated_fields)
            for index, picture in enumerate(pictures):
                if index == 0 and start_seconds is None:
                    seconds = Fraction(0)  # also where the frames before it cannot be decoded
                elif not self._info.has_timestamps:
                    seconds = index / self._info.fps
                elif picture.pts is None:
                    seconds = (last.seconds if last else 0) + 1 / self._info.fps
                else:
                    seconds = self._clip_seconds(picture.pts * stream.time_base)
                last = TimedFrame(seconds, picture, self._info)
                yield last
        except av.FFmpegError as error:
            raise self._damaged(start_seconds, last, error) from error

    def _clip_seconds(self, container_seconds: Fraction) -> Fraction:
        seconds = container_seconds - self._info.start_seconds
        fps = self._info.fps
        return seconds if self._info.is_variable_rate else round(seconds * fps) / fps

    def _damaged(
        self, start_seconds: Fraction | None, last: TimedFrame | None, error: av.FFmpegError
    ) -> InputError | VideoError:
        name, reason = label(self._info.path, self._info.part), error.strerror
        if last is not None:
            index = round(last.seconds * self._info.fps)
            frame = "the frame" if self._info.is_variable_rate else f"frame {index}"
            return VideoError(
                f"{name}: is damaged after {frame} at {float(last.seconds):.3f} s ({reason}); "
                "export it again, or render up to there"
            )
        if start_seconds is not None:
            return VideoError(
                f"{name}: is damaged near {float(start_seconds):.3f} s ({reason}); export it again"
            )
        return InputError(
            f"{name}: is damaged: its first frame cannot be decoded ({reason}); export it again"
        )
