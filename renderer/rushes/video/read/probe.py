"""Size, rate, length and timing of a video, found by decoding only a few frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video import VideoStream

from rushes.errors import InputError
from rushes.video.read.appended import starts_of_takes
from rushes.video.read.colour import Colour, unknown_transfer
from rushes.video.read.convert import DisplayMatrix, display_matrix
from rushes.video.read.fit import Deinterlace
from rushes.video.read.input_file import (
    decode_pictures,
    find_pictures,
    open_input,
    refuse_size,
)
from rushes.video.read.timing import scan_timing

# Whether a video is interlaced shows in some of its first frames, not always in the very first.
_FRAMES_LOOKED_AT = 8


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
    display_matrix: DisplayMatrix  # of the first frame; it is used for all
    sample_aspect: Fraction  # width of a shown pixel over its height
    is_variable_rate: bool
    has_timestamps: bool
    start_seconds: Fraction  # the container's time of the first frame
    num_takes: int = 1  # appended byte by byte, as far as they can be distinguished
    jumps: tuple[Fraction, ...] = ()  # seconds at which its time stamps restart or jump
    colour: Colour | None = None  # of the first frame, where it is not that of BT.709
    unknown_transfer: int | None = None
    is_interlaced: bool = False

    def remarks(self, deinterlace: Deinterlace = "auto") -> tuple[str, ...]:
        """Return how the pictures are converted beside decoding, for the readers of a plan."""
        found = []
        if self.colour is not None:
            found.append(str(self.colour))
        if self.unknown_transfer is not None:
            code = self.unknown_transfer
            found.append(f"transfer function {code} (H.273) is not known; treated as BT.709")
        if self.is_interlaced:
            done = "deinterlaced" if deinterlace == "auto" else "left as it is, as asked"
            found.append(f"interlaced: {done}")
        if self.num_takes > 1:
            found.append(f"{self.num_takes} takes are appended; played one after another")
        if self.jumps:
            first = f"{float(self.jumps[0]):.2f} s"
            more = f" and {len(self.jumps) - 1} more times" * (len(self.jumps) > 1)
            found.append(f"time stamps jump at {first}{more}; treated as continuous there")
        return tuple(f"{self.path}: {remark}" for remark in found)

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
    """Describe a video; reads the whole file, decodes only its first frames.

    Raises: MissingFileError when it is not there; InputError when it is empty, cut short, damaged
        at its start, or holds no pictures.
    """
    with open_input(path) as container:
        stream = find_pictures(container, path)
        timing = scan_timing(container, stream, path)
    with open_input(path) as container:
        stream = find_pictures(container, path)
        frames = _first_frames(container, stream, path)
        frame = frames[0]
        refuse_size(path, frame.width, frame.height)
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
            num_takes=len(starts_of_takes(path)) or 1,
            jumps=timing.jumps,
            colour=Colour.of(frame),
            unknown_transfer=unknown_transfer(frame),
            is_interlaced=any(each.interlaced_frame for each in frames),
        )


def _rotation(matrix: DisplayMatrix) -> int:
    _, b, _, d = matrix  # a mirrored picture counts as turned first, then mirrored sideways
    return {(0, 1): 0, (1, 0): 90, (0, -1): 180, (-1, 0): 270}[b, d]


def _first_frames(
    container: InputContainer, stream: VideoStream, path: Path
) -> list[av.VideoFrame]:
    """Decode the first frame, and a few more if possible."""
    frames: list[av.VideoFrame] = []
    try:
        for frame in islice(decode_pictures(container, stream), _FRAMES_LOOKED_AT):
            frames.append(frame)
    except av.FFmpegError as error:
        if not frames:
            raise _undecodable(path) from error
    if not frames:
        raise _undecodable(path)
    return frames


def _undecodable(path: Path) -> InputError:
    return InputError(f"{path}: is damaged: its first frame cannot be decoded; export it again")
