"""Write a result: a movie, a GIF or PNG files, chosen by name, published complete or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from rushes.errors import ConfigError, ConflictError, ShapeError, VideoError, WriteError
from rushes.files.publish import PendingOutput, written_as
from rushes.video.audio import AudioSource, holds_sound
from rushes.video.names import folder_and_pattern
from rushes.video.read.convert import Picture
from rushes.video.write.codecs import LOSSLESS, Encoder, choose_encoder
from rushes.video.write.container import MUXERS
from rushes.video.write.gif import refuse_rate, write_gif
from rushes.video.write.movie import write_movie
from rushes.video.write.png_sequence import holds_other_files, write_pictures
from rushes.video.write.segments import SEGMENT_FRAMES, SegmentWriter

_EXTENSIONS = (*MUXERS, ".gif", ".png")


# Makes the result at its temporary place from all of its segments.
Finish = Callable[[Sequence[Path]], None]


class VideoWriter:
    """A result that grows frame by frame in segments, and appears at its name at `close`.

    As a context manager it closes at the end and aborts on an exception. After any failure nothing
    is left but, where the caller gave a folder for them, the segments.
    """

    def __init__(
        self,
        pending: PendingOutput,
        segments: SegmentWriter,
        finish: Finish,
        *,
        width: int,
        height: int,
        own_folder: Path | None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.path = pending.path  # where the result appears: a file or, for PNG, a folder
        self.warnings = warnings
        self.num_frames = 0
        self._pending, self._finish = pending, finish
        self._segments, self._own_folder = segments, own_folder
        self._frame_shape = (height, width, 3)
        self._is_open, self._is_complete = True, False

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Take the next frames.

        Shapes:
            frames: [T, H, W, 3], RGB
        Raises: ShapeError when they have another size; VideoError when they cannot be written.
        """
        if not self._is_open or self._is_complete:
            raise VideoError(f"{self.path}: is closed; open a new writer")
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != self._frame_shape:
            raise ShapeError(
                f"{self.path}: frames are {frames.dtype} {frames.shape}; "
                f"give uint8 [T, {', '.join(map(str, self._frame_shape))}]"
            )
        with _reporting(self.path, self.abort):
            for frame in frames:
                self._segments.write(frame)
        self.num_frames += len(frames)

    def complete(self) -> None:
        """Complete the result except for its name; nothing can be written to it afterwards.

        Raises: VideoError when it cannot be written or holds no frame.
        """
        if not self.num_frames:
            self.abort()
            raise VideoError(f"{self.path}: no frame was written to it; render at least one")
        with _reporting(self.path, self.abort):
            self._segments.finish()
            self._finish(self._segments.segments)
        self._is_complete = True

    def close(self) -> None:
        """Complete the result and publish it; does nothing the second time.

        Raises: VideoError as `complete`, and when it cannot be renamed.
        """
        if not self._is_open:
            return
        if not self._is_complete:
            self.complete()
        with _reporting(self.path, self.abort):
            self._pending.publish()
        self._is_open = False
        self._remove_own_folder()

    def abort(self) -> None:
        """Remove what was written."""
        if self._is_open:
            self._is_open = False
            self._segments.cancel()
            self._pending.discard()
            self._remove_own_folder()

    @property
    def segments(self) -> list[Path]:
        """The complete segments."""
        return self._segments.segments

    @property
    def pending_frames(self) -> list[Picture]:
        """The frames behind them, [H, W, 3] each."""
        return self._segments.pending

    def resume(self, segments: Sequence[Path], pending: NDArray[np.uint8]) -> None:
        """Continue after complete segments and the frames that followed them.

        Shapes:
            pending: [T, H, W, 3]
        """
        with _reporting(self.path, self.abort):
            self._segments.resume(segments, pending)
        self.num_frames = len(segments) * SEGMENT_FRAMES + len(pending)

    def _remove_own_folder(self) -> None:
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()


def open_writer(
    path: Path,
    *,
    fps: Fraction,
    width: int,
    height: int,
    codec: str | None = None,
    crf: int | None = None,
    hardware: bool = False,
    audio: AudioSource | None = None,
    replace: bool = True,
    folder: Path | None = None,
    staging: Path | None = None,
) -> VideoWriter:
    """Open a result for writing; the extension decides what it becomes.

    .mp4, .mkv, .mov and .webm are movies, .gif a looping GIF, `name.png` a folder `name` of
    numbered pictures, `folder/name_%05d.png` the same with other names. Without `replace`
    nothing may be there already; with it a folder is replaced only if it holds such pictures alone.
    Segments are kept in `folder`, else in a hidden one beside the result that goes with the writer;
    the result itself comes together in `staging`, else beside its place.

    Raises: what `choose_format` does; VideoError when nothing can be written there; ConflictError
        when something is in the way; MissingFileError, InputError when the audio file is of no use.
    """
    encoder = choose_format(
        path, fps=fps, width=width, height=height, codec=codec, crf=crf, hardware=hardware
    )
    extension = path.suffix.lower()
    audio, warnings = _usable_audio(path, audio)
    target, pattern = folder_and_pattern(path) if extension == ".png" else (path, "")
    _refuse_conflict(target, pattern, replace)
    pending = PendingOutput(target, is_folder=extension == ".png", staging=staging)
    file = pending.temporary
    finish: Finish
    match extension:
        case ".gif":
            finish = partial(write_gif, file, fps=fps, width=width, height=height)
        case ".png":
            finish = partial(write_pictures, file, pattern)
        case _:
            finish = partial(write_movie, file, extension, tag=encoder.tag, fps=fps, audio=audio)
    own_folder = None if folder is not None else _make_hidden_folder(target, pending)
    place = folder or own_folder
    assert place is not None
    return VideoWriter(
        pending,
        SegmentWriter(place, encoder, fps=fps, width=width, height=height),
        finish,
        width=width,
        height=height,
        own_folder=own_folder,
        warnings=warnings,
    )


def _usable_audio(
    path: Path, audio: AudioSource | None
) -> tuple[AudioSource | None, tuple[str, ...]]:
    """Return the sound that a result can have, and why it has none although it was asked for."""
    extension = path.suffix.lower()
    if audio is None:
        return None, ()
    if extension not in MUXERS:
        return None, (f"{path}: {extension} holds no sound; render into a .mp4 to keep it",)
    if not holds_sound(audio.path):
        return None, (f"{audio.path}: holds no sound; the result is silent",)
    return audio, ()


def choose_format(
    path: Path,
    *,
    fps: Fraction,
    width: int,
    height: int,
    codec: str | None,
    crf: int | None,
    hardware: bool,
) -> Encoder:
    """Return the encoder for a result, given its name and what the user asked for.

    Raises: ConfigError when the options do not fit; ShapeError when the codec cannot hold the size.
    """
    extension = path.suffix.lower()
    if extension not in _EXTENSIONS:
        raise ConfigError(
            f"{path}: {extension or 'no extension'} is not a kind of result; "
            f"name it {', '.join(_EXTENSIONS)}",
            field="output",
        )
    if fps <= 0:
        raise ConfigError(f"fps is {fps}; use a rate above 0", field="fps")
    is_movie = extension in MUXERS
    if not is_movie and (codec is not None or crf is not None or hardware):
        raise ConfigError(f"{path}: {extension} takes no codec, crf or hardware; leave them out")
    if is_movie and (width % 2 or height % 2):
        raise ShapeError(f"{path}: {width}x{height} is odd; {extension} needs even sides")
    if extension == ".gif":
        refuse_rate(fps)
    return choose_encoder(extension, codec, crf, hardware) if is_movie else LOSSLESS


def _refuse_conflict(target: Path, pattern: str, replace: bool) -> None:
    is_empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not is_empty and not replace:
        raise ConflictError(f"{target}: is there already; remove it or choose another name")
    if pattern and holds_other_files(target, pattern):
        raise ConflictError(
            f"{target}: holds more than the pictures of an earlier result; choose another name"
        )


def _make_hidden_folder(target: Path, pending: PendingOutput) -> Path:
    try:
        with written_as(target):
            return Path(mkdtemp(dir=target.parent, prefix=".rushes-", suffix=".tmp"))
    except WriteError:
        pending.discard()
        raise


@contextmanager
def _reporting(path: Path, undo: Callable[[], None]) -> Iterator[None]:
    """Undo on any exception; report in one line what FFmpeg or the system complain about."""
    try:
        with written_as(path):
            yield
    except BaseException as error:
        undo()
        if isinstance(error, av.FFmpegError):
            raise VideoError(
                f"{path}: cannot be encoded ({error.strerror}); try another codec"
            ) from error
        raise
