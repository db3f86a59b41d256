"""Open an input video: its container, its pictures in decoding order, and a check that it stays."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video import VideoStream
from av.video.codeccontext import VideoCodecContext

from rushes.errors import InputError, MissingFileError, VideoError

# `file:` keeps a colon in a name from being read as a protocol, `pattern_type` a percent sign from
# being read as an image sequence, the whitelist a playlist from reaching the network.
_OPEN_OPTIONS = {"pattern_type": "none", "protocol_whitelist": "file"}
# Demuxers that FFmpeg offers for plain text and for lists of other files.
_NOT_VIDEOS = {"tty", "hls", "dash", "sdp", "concat"}
# Each thread holds a frame; more than these decode no faster than a model renders.
_DECODING_THREADS = 4
# FFmpeg's own decoders of these two leave the alpha plane out.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class FileStamp:
    """What tells whether a file is still the one that was opened."""

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


def open_input(path: Path) -> InputContainer:
    """Open a media file for reading.

    Raises: MissingFileError when it is not there; InputError when it is not a media file.
    """
    if FileStamp.of(path).num_bytes == 0:
        raise InputError(f"{path}: is empty; copy or export it again")
    try:
        container = av.open(f"file:{path.absolute()}", "r", container_options=_OPEN_OPTIONS)
    except PermissionError as error:
        raise InputError(f"{path}: may not be read; change its permissions") from error
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path}: is not a video, or was damaged or cut short; copy or export it again"
        ) from error
    if container.format.name in _NOT_VIDEOS:
        container.close()
        raise InputError(f"{path}: is a text file or a playlist; name the video itself")
    return container


def find_pictures(container: InputContainer, path: Path) -> VideoStream:
    """Return the video stream, passing over the cover pictures of sound files.

    Raises: InputError when there is none, or no decoder for it.
    """
    for stream in container.streams.video:
        if Disposition.attached_pic in stream.disposition:
            continue
        if stream.codec_context is None:
            raise InputError(
                f"{path}: this build of FFmpeg cannot decode its pictures; convert it to H.264"
            )
        return stream
    raise InputError(f"{path}: holds no pictures; name a video or an image")


def decode_pictures(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decode from the container's position to its end, frames in order of presentation."""
    context = _decoding_context(stream)
    has_keyframe = False
    for packet in container.demux(stream):
        has_keyframe = has_keyframe or packet.is_keyframe
        if not packet.size:
            continue
        try:
            pictures = context.decode(packet)
        except av.InvalidDataError:
            if has_keyframe:
                raise
            continue  # a recording may begin in the middle of a group of pictures
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
    if not context.is_open:  # else it goes on after a seek
        context.thread_type = av.codec.context.ThreadType.AUTO
        context.thread_count = _DECODING_THREADS
    return context
