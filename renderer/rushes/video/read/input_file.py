"""Open an input video: its container, its pictures in decoding order, and a check that it stays."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video import VideoStream
from av.video.codeccontext import VideoCodecContext

from rushes.errors import InputError, MissingFileError, VideoError
from rushes.video.read.appended import Part
from rushes.video.read.continuous import ContinuousClock, may_jump

AnyStream = TypeVar("AnyStream", bound=Stream)

# `file:` keeps a colon in a name from being read as a protocol, `pattern_type` a percent sign from
# being read as an image sequence, the whitelist a playlist from reaching the network.
_OPEN_OPTIONS = {"pattern_type": "none", "protocol_whitelist": "file"}
_PART_OPTIONS = _OPEN_OPTIONS | {"protocol_whitelist": "file,subfile"}
# Demuxers that FFmpeg offers for plain text and for lists of other files.
_NOT_VIDEOS = {"tty", "hls", "dash", "sdp", "concat"}
MOST_BYTES = 256 * 2**30
MOST_PIXELS = 7680 * 4320 * 3 // 2  # one and a half times 8K
# The flags of the extended WebP format (RFC 9649, section 2.7) and the one for animation.
_WEBP_FLAGS, _WEBP_ANIMATION = 20, 2
# Each thread holds a frame; more than these decode no faster than a model renders.
_DECODING_THREADS = 4
# FFmpeg's own decoders of these two leave the alpha plane out.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class FileStamp:
    """Tells whether a file is still the one that was opened."""

    num_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Stamp a regular file.

        Raises: MissingFileError when it is not there; InputError when it is not a file.
        """
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingFileError(f"{path}: there is no such file; check its name") from error
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); check its name"
            ) from error
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: is a folder; name the video inside it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is not a regular file; save the video to disk first")
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    def check(self, path: Path) -> None:
        """Raise VideoError if the file at this path is no longer the stamped one."""
        try:
            unchanged = FileStamp.of(path) == self
        except (MissingFileError, InputError):
            unchanged = False
        if not unchanged:
            raise VideoError(
                f"{path}: was deleted or changed while it was being rendered; "
                "put the same file back and start again"
            )


def open_input(path: Path, part: Part | None = None) -> InputContainer:
    """Open a media file, or one of several takes that were appended in it, for reading.

    Raises: MissingFileError when it is not there; InputError when it is not a media file.
    """
    refuse_bytes(path)
    _refuse_animated_webp(path)
    try:
        container = av.open(
            f"file:{path.absolute()}" if part is None else part.url(path),
            "r",
            container_options=_OPEN_OPTIONS if part is None else _PART_OPTIONS,
            metadata_errors="replace",
        )
    except PermissionError as error:
        raise InputError(f"{path}: may not be read; change its permissions") from error
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{label(path, part)}: is not a video, or was damaged or cut short; copy or export it "
            "again"
        ) from error
    if container.format.name in _NOT_VIDEOS:
        container.close()
        raise InputError(f"{path}: is a text file or a playlist; name the video itself")
    return container


def label(path: Path, part: Part | None) -> str:
    """Name a file, or a take in it, in messages."""
    return str(path) if part is None else f"{path} ({part})"


def refuse_bytes(path: Path) -> None:
    """Refuse a file that is empty or larger than any video.

    Raises: MissingFileError, InputError.
    """
    num_bytes = FileStamp.of(path).num_bytes
    if num_bytes == 0:
        raise InputError(f"{path}: is empty; copy or export it again")
    if num_bytes > MOST_BYTES:
        raise InputError(
            f"{path}: has {num_bytes / 2**30:,.0f} GiB, at most {MOST_BYTES // 2**30} are allowed; "
            "cut it, or encode it smaller"
        )


def refuse_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that would fill the memory.

    Raises: InputError.
    """
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path}: is {width} x {height}, more than {MOST_PIXELS // 10**6} million pixels; "
            "make it smaller"
        )


def _refuse_animated_webp(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(_WEBP_FLAGS + 1)
    is_extended = start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X"
    if is_extended and len(start) > _WEBP_FLAGS and start[_WEBP_FLAGS] & _WEBP_ANIMATION:
        raise InputError(
            f"{path}: is an animated WebP, which FFmpeg does not read; convert it to MP4 or GIF"
        )


def demux(container: InputContainer, *streams: AnyStream) -> Iterator[Packet[AnyStream]]:
    """Yield the packets of streams, of all by default.

    At the end PyAV (18.1) may stumble over streams that came to light only while it read; all
    packets have been given by then.
    """
    packets = cast("Iterator[Packet[AnyStream]]", container.demux(*streams))
    with suppress(IndexError):
        while (packet := next(packets, None)) is not None:
            yield packet


def decode_pictures(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decode from the container's position to its end, frames in order of presentation."""
    context = _decoding_context(stream)
    has_keyframe = False
    # A recording of a broadcast may begin and end in the middle of a picture.
    may_break_off = may_jump(container.format.name)
    fault: av.InvalidDataError | None = None
    clock = ContinuousClock(stream, container.format.name)
    for packet in clock.moved(demux(container, stream)):
        has_keyframe = has_keyframe or packet.is_keyframe
        if not packet.size:
            continue
        if fault is not None:
            raise fault
        try:
            pictures = context.decode(packet)
        except av.InvalidDataError as error:
            if has_keyframe and not may_break_off:
                raise
            fault = error if has_keyframe else None
            continue
        yield from pictures
    if context.is_open:
        yield from context.decode(None)


def _decoding_context(stream: VideoStream) -> VideoCodecContext:
    context = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and context.name in _ALPHA_DECODERS:
        with_alpha = av.CodecContext.create(_ALPHA_DECODERS[context.name], "r")
        assert isinstance(with_alpha, VideoCodecContext)
        with_alpha.extradata = context.extradata
        context = with_alpha
    if not context.is_open:  # else decoding continues after a seek
        context.thread_type = av.codec.context.ThreadType.AUTO
        context.thread_count = _DECODING_THREADS
        context.options = {"max_pixels": str(MOST_PIXELS)}
    return context
