"""Chooses the stream of pictures in a file that has several."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video import VideoStream

from rushes.errors import InputError
from rushes.video.read.appended import Part
from rushes.video.read.input_file import FileStamp, demux, label, open_input, refuse_size

# Tracks that accompany another one.
_SECONDARY = (
    Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.dependent
    | Disposition.still_image
    | Disposition.timed_thumbnails
)
# As many packets of one stream tell which of the others are covers and thumbnails.
_ENOUGH_PICTURES = 250
_STILLS = 10  # a stream with a tenth of the pictures, or one picture beside several, is not a film


def moving_streams(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that are not attached pictures."""
    return [
        stream
        for stream in container.streams.video
        if Disposition.attached_pic not in stream.disposition
    ]


def find_pictures(container: InputContainer, path: Path, part: Part | None = None) -> VideoStream:
    """Return the video stream, the best of several, without cover pictures.

    As FFmpeg does, films go before stills, the default stream before others, then the largest.
    Raises: InputError when there is none, no decoder for it, or its pictures are too large.
    """
    streams = moving_streams(container)
    if not streams:
        raise InputError(f"{label(path, part)}: holds no pictures; name a video or an image")
    counts = _num_pictures(path, FileStamp.of(path), part) if len(streams) > 1 else {}
    stream = max(streams, key=lambda each: _rank(each, counts))  # the first of equal ones
    if stream.codec_context is None:
        raise InputError(
            f"{label(path, part)}: its header is cut short, or this build of FFmpeg does not know "
            "how its pictures are encoded; copy it again, or convert it to H.264"
        )
    refuse_size(path, stream.codec_context.width, stream.codec_context.height)
    return stream


def _rank(stream: VideoStream, counts: dict[int, int]) -> tuple[bool, bool, bool, bool, int]:
    context = stream.codec_context
    if context is None:
        return False, False, False, False, 0
    most, count = max(counts.values(), default=1), counts.get(stream.index, 0)
    is_still = count * _STILLS <= most or count == 1 < most
    return (
        True,
        not counts or not is_still,
        not _SECONDARY & stream.disposition,
        Disposition.default in stream.disposition,
        context.width * context.height,
    )


@lru_cache(maxsize=64)
def _num_pictures(path: Path, stamp: FileStamp, part: Part | None) -> dict[int, int]:
    """Count the pictures of each stream, up to where films and stills can be told apart.

    The stamp tells a file from a later one of the same name.
    """
    counts: Counter[int] = Counter()
    with open_input(path, part) as container:
        try:
            for packet in demux(container, *moving_streams(container)):
                counts[packet.stream_index] += bool(packet.size)
                if counts[packet.stream_index] >= _ENOUGH_PICTURES:
                    break
        except av.FFmpegError:
            pass  # damaged further on: whoever reads the stream says so
    return dict(counts)
