"""Pictures as a row of short files that can be joined without encoding them again.

Each file holds the same number of frames, encoded by an encoder of its own: nothing in it refers to
another. So a render that was killed continues where a file ends, or from the frames of the
incomplete file, and its result has the same bytes as an undisturbed one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from rushes.errors import VideoError
from rushes.files.publish import PendingOutput
from rushes.video.read.convert import Picture
from rushes.video.write.codecs import Encoder
from rushes.video.write.container import open_container
from rushes.video.write.encoder import FrameEncoder

SEGMENT_FRAMES = 64
# QuickTime files keep time exactly, but cannot hold VP9 and AV1; those go into MP4 files.
_EXTENSIONS = {"libvpx-vp9": ".mp4", "libsvtav1": ".mp4", "av1_nvenc": ".mp4"}


class SegmentWriter:
    """Writes frames into numbered files of a folder; each appears there complete.

    ``pending`` are the frames of the file that is not complete yet.
    """

    def __init__(
        self, folder: Path, encoder: Encoder, *, fps: Fraction, width: int, height: int
    ) -> None:
        self._folder, self._encoder = folder, encoder
        self._fps, self._width, self._height = fps, width, height
        self._extension = _EXTENSIONS.get(encoder.library, ".mov")
        self._open: _Segment | None = None
        self.segments: list[Path] = []
        self.pending: list[Picture] = []

    def write(self, frame: Picture) -> None:
        """Take the next frame, [H, W, 3]."""
        if self._open is None:
            path = self._folder / f"{len(self.segments):06}{self._extension}"
            self._open = _Segment(
                path, self._encoder, fps=self._fps, width=self._width, height=self._height
            )
        self._open.write(frame)
        self.pending.append(frame)
        if len(self.pending) == SEGMENT_FRAMES:
            self._seal()

    def finish(self) -> None:
        """Complete the last file."""
        if self.pending:
            self._seal()

    def cancel(self) -> None:
        """Release the incomplete file."""
        if self._open is not None:
            self._open.cancel()
            self._open = None

    def resume(self, segments: Sequence[Path], pending: NDArray[np.uint8]) -> None:
        """Go on behind complete files and the frames that followed them.

        Shapes:
            pending: [T, H, W, 3]
        """
        self.segments = list(segments)
        for frame in pending:
            self.write(frame)

    def _seal(self) -> None:
        assert self._open is not None
        self.segments.append(self._open.finish())
        self._open = None
        self.pending = []


class _Segment:
    """A file that is being written."""

    def __init__(
        self, path: Path, encoder: Encoder, *, fps: Fraction, width: int, height: int
    ) -> None:
        self._pending = PendingOutput(path)
        self._container = open_container(self._pending.temporary, path.suffix)
        self._encoder = FrameEncoder(self._container, encoder, fps=fps, width=width, height=height)

    def write(self, frame: Picture) -> None:
        self._container.mux(self._encoder.encode(frame))

    def finish(self) -> Path:
        self._container.mux(self._encoder.flush())
        self._container.close()
        self._pending.publish()
        return self._pending.path

    def cancel(self) -> None:
        self._pending.discard()
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()


class SegmentCopy:
    """The pictures of a container, copied packet by packet from segments."""

    def __init__(
        self, output: OutputContainer, template: Path, tag: str | None, fps: Fraction
    ) -> None:
        self._output, self._fps = output, fps
        with _opened(template) as container:
            source = container.streams.video[0]
            self._stream = output.add_stream_from_template(source, opaque=True)
        # With zeros the container chooses its own name for the codec.
        self._stream.codec_context.codec_tag = tag or "\0\0\0\0"
        self.num_frames = 0

    def copy(self, segment: Path, first_frame: int) -> None:
        """Append a segment, its first frame being that frame of the whole.

        Raises: VideoError when it is damaged.
        """
        with _opened(segment) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is None or packet.dts is None or packet.time_base is None:
                    continue  # the empty packet at the end
                ticks = round(first_frame / self._fps / packet.time_base)
                packet.pts += ticks
                packet.dts += ticks
                packet.stream = self._stream
                self._output.mux(packet)
                self.num_frames += 1


def read_frames(segments: Sequence[Path]) -> Iterator[Picture]:
    """Decode the frames of all files, in order: [H, W, 3] each.

    Raises: VideoError when a file is damaged.
    """
    for path in segments:
        with _opened(path) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def copy_pictures(segments: Sequence[Path]) -> Iterator[bytes]:
    """Yield the encoded frames of all files, in order, where each is a picture of its own.

    Raises: VideoError when a file is damaged.
    """
    for path in segments:
        with _opened(path) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    yield bytes(packet)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    try:
        with av.open(f"file:{path.absolute()}", "r") as container:
            yield container
    except (av.InvalidDataError, FileNotFoundError) as error:
        raise VideoError(
            f"{path}: a piece of the result is damaged or gone; render again"
        ) from error
