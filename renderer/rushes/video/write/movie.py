"""Container files: MP4, Matroska, QuickTime and WebM, put together from segments and sound."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from rushes.video.audio import AudioSource, AudioTrack
from rushes.video.write.container import open_container
from rushes.video.write.segments import SEGMENT_FRAMES, SegmentCopy


def write_movie(
    file: Path,
    extension: str,
    segments: Sequence[Path],
    *,
    tag: str | None,
    fps: Fraction,
    audio: AudioSource | None,
) -> None:
    """Copy the packets of all segments into one container, and the sound along with them.

    Raises: VideoError when a segment is damaged; what FFmpeg or the system raise.
    """
    container = open_container(file, extension)
    track: AudioTrack | None = None
    try:
        pictures = SegmentCopy(container, segments[0], tag, fps)
        track = AudioTrack(audio, container, extension) if audio else None
        for index, path in enumerate(segments):
            pictures.copy(path, first_frame=index * SEGMENT_FRAMES)
            if track is not None:
                track.write_until(pictures.num_frames / fps)
        if track is not None:
            track.finish()
        container.close()
    except BaseException:
        if track is not None:
            track.close()
        with contextlib.suppress(av.FFmpegError, OSError):
            container.close()
        raise
