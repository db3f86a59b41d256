"""Reads an input video at the output's frame rate and size, forward, from any frame on."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rushes.errors import ConfigError, InputError, RushesError
from rushes.video.read.colour import Colour
from rushes.video.read.convert import Picture, fit_picture, to_rgb
from rushes.video.read.decoder import TimedFrame
from rushes.video.read.fit import Deinterlace, Fit
from rushes.video.read.input_file import FileStamp
from rushes.video.read.probe import probe_video
from rushes.video.read.takes import open_decoder

AtEnd = Literal["loop", "hold", "stop"]

# Further ahead than this, seeking is faster than decoding the frames between.
_SEEK_AHEAD = Fraction(10)


class VideoReader:
    """The input frames that belong to the output's frames.

    Output frame n shows the last input frame whose time is at most n / fps + start_seconds; at the
    input's own constant rate, frame n is input frame n. After the end, `loop` goes on with the
    first frame, `hold` repeats the last, `stop` returns fewer frames. `one_to_one` takes the frames
    one by one, whatever the rates (start_seconds then counts at the input's average rate).
    Interlaced frames are deinterlaced unless ``deinterlace`` is off; colours become BT.709's.
    A jump, forward or back, gives the same frames as reading up to there.

    Shapes:
        read: [T, H, W, 3]
    Raises: MissingFileError, InputError: see `probe_video`.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: Fraction,
        height: int,
        width: int,
        fit: Fit = "stretch",
        at_end: AtEnd = "loop",
        start_seconds: Fraction = Fraction(0),
        one_to_one: bool = False,
        deinterlace: Deinterlace = "auto",
    ) -> None:
        _check_options(fps, height, width, fit, at_end, start_seconds)
        self._stamp = FileStamp.of(path)
        self.info = probe_video(path)
        self._clip = self.info.one_to_one() if one_to_one else self.info
        self._fps = self.info.fps if one_to_one else fps
        self._start_seconds = start_seconds
        self._size = height, width
        self._fit, self._at_end = fit, at_end
        self._decoder = open_decoder(self._clip, deinterlace)
        self._reformatter = VideoReformatter()
        self._shown: TimedFrame | None = None
        self._following: TimedFrame | None = None
        self._picture: Picture | None = None  # the shown frame, converted

    @property
    def num_frames(self) -> int | None:
        """The number of output frames; None if the clip loops or its last frame is held."""
        if self._at_end != "stop":
            return None
        return self._clip.num_frames_at(self._fps, start_seconds=self._start_seconds)

    def read(self, first_frame: int, count: int) -> NDArray[np.uint8]:
        """Return the output frames from first_frame on; fewer than count only at a `stop`.

        Shapes:
            returns: [T, H, W, 3], RGB
        Raises: VideoError when the file breaks off in the middle, or is no longer the same.
        """
        self._stamp.check(self.info.path)
        if self.num_frames is not None:
            count = max(0, min(count, self.num_frames - first_frame))
        frames = np.empty((count, *self._size, 3), np.uint8)
        try:
            for index in range(count):
                frames[index] = self._picture_at(first_frame + index)
        except RushesError:
            self._stamp.check(self.info.path)  # a file that changes under the decoder looks damaged
            raise
        return frames

    def close(self) -> None:
        """Release the file."""
        self._decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _picture_at(self, frame: int) -> Picture:
        seconds = frame / self._fps + self._start_seconds
        if self._at_end == "loop":
            seconds %= self._clip.duration
        shown = self._frame_at(seconds)
        if self._picture is None or shown is not self._shown:
            self._shown = shown
            colour = Colour.of(shown.picture)
            rgb = to_rgb(shown.picture, self._reformatter, shown.info.display_matrix, colour)
            self._picture = fit_picture(rgb, *self._size, self._fit, shown.info.sample_aspect)
        return self._picture

    def _frame_at(self, seconds: Fraction) -> TimedFrame:
        """Return the last frame that is shown at this time or before."""
        shown, following = self._shown, self._following
        is_far = following is not None and seconds - following.seconds > _SEEK_AHEAD
        if shown is None or seconds < shown.seconds or (is_far and self._decoder.can_seek):
            self._decoder.seek(seconds)
            shown, following = self._decoder.read(), self._decoder.read()
        if shown is None:
            raise InputError(f"{self.info.path}: no frame of it can be decoded; export it again")
        while following is not None and following.seconds <= seconds:
            shown, following = following, self._decoder.read()
        self._following = following
        return shown


def _check_options(
    fps: Fraction, height: int, width: int, fit: Fit, at_end: AtEnd, start_seconds: Fraction
) -> None:
    if fps <= 0:
        raise ConfigError(f"fps is {fps}; use a rate above 0", field="fps")
    if height < 1 or width < 1:
        raise ConfigError(f"size is {width}x{height}; both sides must be at least 1 pixel")
    if fit not in get_args(Fit):
        raise ConfigError(f"fit is {fit!r}; use one of {', '.join(get_args(Fit))}", field="fit")
    if at_end not in get_args(AtEnd):
        raise ConfigError(
            f"at_end is {at_end!r}; use one of {', '.join(get_args(AtEnd))}", field="at_end"
        )
    if start_seconds < 0:
        raise ConfigError(f"start_seconds is {start_seconds}; use 0 or more", field="start_seconds")
