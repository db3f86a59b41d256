"""Size, rate, length and timing of a video, found by decoding only a few frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video import VideoStream

from rushes.errors import InputError
from rushes.video.read.appended import MOST_TAKES, Part, parts_of
from rushes.video.read.colour import Colour, unknown_transfer, unreadable_matrix
from rushes.video.read.convert import DisplayMatrix, display_matrix
from rushes.video.read.deinterlace import StatedFields, stated_field_order
from rushes.video.read.fit import Deinterlace
from rushes.video.read.input_file import (
    decode_pictures,
    label,
    open_input,
    refuse_bytes,
    refuse_size,
)
from rushes.video.read.looks import Looks
from rushes.video.read.streams import find_pictures, moving_streams
from rushes.video.read.timing import scan_timing

# Whether a video is interlaced shows in some of its first frames, not always in the very first.
_FRAMES_LOOKED_AT = 8
_KINDS_NAMED = 5


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
    part: Part | None = None  # of the file, if it is one take of several
    takes: tuple[VideoInfo, ...] = ()  # appended byte by byte, played one after another
    jumps: tuple[Fraction, ...] = ()  # seconds at which its time stamps restart or jump
    colours: tuple[Colour, ...] = ()  # those found that are not BT.709's
    unknown_transfer: int | None = None
    is_interlaced: bool = False
    stated_fields: StatedFields | None = None  # where only the container says that it is interlaced
    stream_number: int = 1  # the one that is used, from 1 on
    num_streams: int = 1  # of pictures, covers left out

    def remarks(self, deinterlace: Deinterlace = "auto") -> tuple[str, ...]:
        """Return how the pictures are converted beside decoding, for the readers of a plan."""
        return tuple(f"{self.path}: {remark}" for remark in _remarks(self, deinterlace))

    def one_to_one(self) -> VideoInfo:
        """Return the clip as if its frames lay at the constant rate `fps`, whatever their times."""
        return self._counted_at(self.fps)

    def _counted_at(self, fps: Fraction) -> VideoInfo:
        is_at_rate = fps == self.fps and not self.is_variable_rate
        return replace(
            self,
            fps=fps,
            duration=self.num_frames / fps,
            is_variable_rate=False,
            has_timestamps=self.has_timestamps and is_at_rate,
            takes=tuple(take._counted_at(fps) for take in self.takes),
        )

    def num_frames_at(self, fps: Fraction, *, start_seconds: Fraction = Fraction(0)) -> int:
        """Count the output frames that begin before the clip ends."""
        return max(0, math.ceil((self.duration - start_seconds) * fps))


def probe_video(path: Path) -> VideoInfo:
    """Describe a video; reads the whole file, decodes its first frames and a few keyframes.

    Raises: MissingFileError when it is not there; InputError when it is empty, cut short, damaged
        at its start, holds no pictures, or stores their colours in a way that nothing here reads.
    """
    refuse_bytes(path)
    parts = parts_of(path)
    if len(parts) > MOST_TAKES:
        raise InputError(
            f"{path}: holds more than {MOST_TAKES:,} takes, appended byte by byte; join them with "
            "ffmpeg first"
        )
    return _joined([_probe_take(path, part) for part in parts]) if parts else _probe(path, None)


def _probe_take(path: Path, part: Part) -> VideoInfo:
    try:
        return _probe(path, part)
    except InputError as error:
        if part.start == 0:
            raise
        raise InputError(f"{error}, or end the file before this take") from error


def _joined(takes: list[VideoInfo]) -> VideoInfo:
    """Describe takes that are played one after another; size and rate are those of the first."""
    first = takes[0]
    jumps: list[Fraction] = []
    begin = Fraction(0)
    for take in takes:
        jumps += [begin + jump for jump in take.jumps]
        begin += take.duration
    return replace(
        first,
        num_frames=sum(take.num_frames for take in takes),
        duration=begin,
        has_audio=any(take.has_audio for take in takes),
        is_variable_rate=any(take.is_variable_rate or take.fps != first.fps for take in takes),
        part=None,
        takes=tuple(takes),
        jumps=tuple(jumps),
        colours=tuple(dict.fromkeys(colour for take in takes for colour in take.colours)),
        is_interlaced=any(take.is_interlaced for take in takes),
    )


def _probe(path: Path, part: Part | None) -> VideoInfo:
    with open_input(path, part) as container:
        stream = find_pictures(container, path, part)
        looks = Looks(stream)
        timing = scan_timing(container, stream, label(path, part), looks)
    with open_input(path, part) as container:
        stream = find_pictures(container, path, part)
        frames = _first_frames(container, stream, label(path, part))
        for each in frames:
            looks.see(each)
        frame = frames[0]
        refuse_size(path, frame.width, frame.height)
        _refuse_matrix(label(path, part), frame)
        matrix = display_matrix(frame)
        rotation = _rotation(matrix)
        width, height = frame.width, frame.height
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if rotation % 180:
            width, height, aspect = height, width, 1 / aspect
        streams = [each.index for each in moving_streams(container)]
        stated_fields = None if looks.is_interlaced else stated_field_order(stream)
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
            part=part,
            jumps=timing.jumps,
            colours=tuple(looks.colours),
            unknown_transfer=unknown_transfer(frame),
            is_interlaced=looks.is_interlaced or stated_fields is not None,
            stated_fields=stated_fields,
            stream_number=streams.index(stream.index) + 1,
            num_streams=len(streams),
        )


def _refuse_matrix(name: str, frame: av.VideoFrame) -> None:
    """Raises: InputError where the colours cannot be converted."""
    if found := unreadable_matrix(frame):
        raise InputError(
            f"{name}: stores its colours as {found}, which cannot be converted here; export it in "
            "BT.709 or BT.2020"
        )


def _rotation(matrix: DisplayMatrix) -> int:
    _, b, _, d = matrix  # a mirrored picture counts as turned first, then mirrored sideways
    return {(0, 1): 0, (1, 0): 90, (0, -1): 180, (-1, 0): 270}[b, d]


def _first_frames(container: InputContainer, stream: VideoStream, name: str) -> list[av.VideoFrame]:
    """Decode the first frame, and a few more if possible."""
    frames: list[av.VideoFrame] = []
    try:
        for frame in islice(decode_pictures(container, stream), _FRAMES_LOOKED_AT):
            frames.append(frame)
    except av.FFmpegError as error:
        if not frames:
            raise _undecodable(name) from error
    if not frames:
        raise _undecodable(name)
    return frames


def _undecodable(name: str) -> InputError:
    return InputError(f"{name}: is damaged: its first frame cannot be decoded; export it again")


def _remarks(info: VideoInfo, deinterlace: Deinterlace) -> Iterator[str]:
    if info.num_streams > 1:
        yield (
            f"holds {info.num_streams} streams of pictures; number {info.stream_number} is used "
            f"({info.width}x{info.height}, {info.codec})"
        )
    yield from map(str, info.colours)
    if info.unknown_transfer is not None:
        code = info.unknown_transfer
        yield f"transfer function {code} (H.273) is not known; treated as BT.709"
    if info.is_interlaced:
        by_container = " (as its container says)" if info.stated_fields else ""
        done = "deinterlaced" if deinterlace == "auto" else "left as it is, as asked"
        yield f"interlaced{by_container}: {done}"
    if info.takes:
        yield f"{len(info.takes)} takes are appended; played one after another{_kinds(info.takes)}"
    if info.jumps:
        more = f" and {len(info.jumps) - 1} more times" * (len(info.jumps) > 1)
        yield (
            f"time stamps jump at {float(info.jumps[0]):.2f} s{more}; treated as continuous there"
        )


def _kinds(takes: tuple[VideoInfo, ...]) -> str:
    """Say how takes differ, if they do."""
    kinds = dict.fromkeys(
        f"{take.width}x{take.height} {take.codec} at {float(take.fps):g} fps" for take in takes
    )
    return f" ({', then '.join(islice(kinds, _KINDS_NAMED))})" if len(kinds) > 1 else ""
