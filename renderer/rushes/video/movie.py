"""Write frames and sound into a container file: MP4, Matroska, QuickTime or WebM."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from rushes.video.audio import AudioSource, AudioTrack
from rushes.video.codecs import Encoder
from rushes.video.convert import Picture
from rushes.video.encoder import FrameEncoder

MUXERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".webm": "webm"}


class MovieSink:
    """One container file, written as the frames come."""

    def __init__(
        self,
        file: Path,
        extension: str,
        encoder: Encoder,
        *,
        fps: Fraction,
        width: int,
        height: int,
        audio: AudioSource | None,
    ) -> None:
        self._fps = fps
        self._container = open_container(file, extension)
        self._encoder = FrameEncoder(self._container, encoder, fps=fps, width=width, height=height)
        self._audio = AudioTrack(audio, self._container, extension) if audio else None

    def write(self, frame: Picture) -> None:
        """Encode a frame and bring the sound as far as its end."""
        self._container.mux(self._encoder.encode(frame))
        if self._audio is not None:
            self._audio.write_until(self._encoder.num_frames / self._fps)

    def finish(self) -> None:
        """Write what the encoders still hold, and the container's index."""
        self._container.mux(self._encoder.flush())
        if self._audio is not None:
            self._audio.finish()
        self._container.close()

    def cancel(self) -> None:
        """Let go of the file, whatever state it is in."""
        if self._audio is not None:
            self._audio.close()
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()


def open_container(file: Path, extension: str) -> OutputContainer:
    """Open a container for writing, its kind given by an extension and not by the file's name."""
    is_mp4 = extension in {".mp4", ".mov"}
    return av.open(
        f"file:{file.absolute()}",
        "w",
        format=MUXERS[extension],
        # The index in front lets players start before the whole file is there; `bitexact` keeps
        # random ids and dates out.
        container_options={"fflags": "+bitexact"} | ({"movflags": "+faststart"} if is_mp4 else {}),
    )
