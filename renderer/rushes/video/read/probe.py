"""What a video is: its size, rate, length and timing, found by decoding one frame only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video import VideoStream

from rushes.errors import InputError
from rushes.video.read.convert import DisplayMatrix, display_matrix
from rushes.video.read.input_file import decode_pictures, find_pictures, open_input
from rushes.video.read.timing import scan_timing


@dataclass(frozen=True)
class VideoInfo:
    """What a video holds and how its frames lie in time; time 0 is its first frame.

    `fps` is the constant rate if there is one (time stamps that a container rounds, as Matroska
    does to milliseconds, still count as constant), else the average that the container stores.
    Without usable time stamps the frames are counted and taken as constant.
    """

    path: Path
    width: int  # as shown: after rotation
    height: int
    fps: Fraction
    num_frames: int
    duration: Fraction  # seconds, from the first frame's start to the last one's end
    has_audio: bool
    codec: str
    pixel_format: str
    rotation: int  # degrees clockwise, already in width and height
    display_matrix: DisplayMatrix  # of the first frame; it holds for all
    sample_aspect: Fraction  # width of a shown pixel over its height
    is_variable_rate: bool
    has_timestamps: bool
    start_seconds: Fraction  # the container's time of the first frame

    def one_to_one(self) -> VideoInfo:
        """Return the clip as if its frames lay at the constant rate `fps`, whatever their times."""
        return replace(
            self,
            duration=self.num_frames / self.fps,
            is_variable_rate=False,
            has_timestamps=self.has_timestamps and not self.is_variable_rate,
        )

    def num_frames_at(self, fps: Fraction, *, start_seconds: Fraction = Fraction(0)) -> int:
        """Count the output frames that begin before the clip ends."""
        return max(0, math.ceil((self.duration - start_seconds) * fps))


def probe_video(path: Path) -> VideoInfo:
    """Describe a video; reads the whole file, decodes only its first frame.

    Raises: MissingFileError when it is not there; InputError when it is empty, cut short, damaged
        at its start, or holds no pictures.
    """
    with open_input(path) as container:
        stream = find_pictures(container, path)
        timing = scan_timing(container, stream, path)
    with open_input(path) as container:
        stream = find_pictures(container, path)
        frame = _first_frame(container, stream, path)
        matrix = display_matrix(frame)
        rotation = _rotation(matrix)
        width, height = frame.width, frame.height
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if rotation % 180:
            width, height, aspect = height, width, 1 / aspect
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=timing.fps,
            num_frames=timing.num_frames,
            duration=timing.duration,
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            rotation=rotation,
            display_matrix=matrix,
            sample_aspect=aspect,
            is_variable_rate=timing.is_variable_rate,
            has_timestamps=timing.has_timestamps,
            start_seconds=timing.start_seconds,
        )


def _rotation(matrix: DisplayMatrix) -> int:
    _, b, _, d = matrix  # a mirrored picture counts as turned first, then mirrored sideways
    return {(0, 1): 0, (1, 0): 90, (0, -1): 180, (-1, 0): 270}[b, d]


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> av.VideoFrame:
    try:
        return next(decode_pictures(container, stream))
    except (av.FFmpegError, StopIteration) as error:
        raise InputError(
            f"{path}: is damaged: its first frame cannot be decoded; export it again"
        ) from error
