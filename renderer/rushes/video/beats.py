"""The tempo, beats and onsets of a sound file, found by librosa where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from rushes.errors import ConfigError, InputError
from rushes.video.read.appended import parts_of
from rushes.video.read.input_file import demux, open_input, refuse_bytes
from rushes.video.sound_takes import find_sound

RATE = 22_050  # hertz; librosa's own
LONGEST_SECONDS = 3600  # of sound in memory: 300 MB
_MISSING = "finding beats needs librosa, which is not installed; run 'pip install librosa'"


@dataclass(frozen=True)
class SoundBeats:
    """What is heard in a sound: beats a minute, and seconds from its start."""

    bpm: float
    beats: tuple[float, ...]
    onsets: tuple[float, ...]


def find_beats(path: Path) -> SoundBeats:
    """Listen to a sound file, or to the sound of a video.

    Raises: MissingFileError; ConfigError without librosa; InputError for a file without sound or
        one that is too long.
    """
    samples = read_mono(path)
    try:
        import librosa  # late: it loads a compiler
    except ImportError as error:
        raise ConfigError(_MISSING) from error
    tempo, beats = librosa.beat.beat_track(y=samples, sr=RATE, units="time")
    onsets = librosa.onset.onset_detect(y=samples, sr=RATE, units="time")
    return SoundBeats(
        round(float(np.ravel(tempo)[0]), 2),
        tuple(round(float(at), 3) for at in beats),
        tuple(round(float(at), 3) for at in onsets),
    )


def read_mono(path: Path) -> NDArray[np.float32]:
    """Decode the first sound of a file.

    Shapes:
        returns: [samples], mono, at RATE
    Raises: MissingFileError; InputError when there is none, it is damaged, or it is too long.
    """
    refuse_bytes(path)
    parts: list[NDArray[np.float32]] = []
    length = 0
    try:
        for samples in _decoded(path):
            parts.append(samples)
            length += len(samples)
            if length > LONGEST_SECONDS * RATE:
                raise InputError(f"{path}: is longer than {LONGEST_SECONDS // 60} minutes; cut it")
    except av.FFmpegError as error:
        raise InputError(f"{path}: its sound is damaged; export it again") from error
    if not parts:
        raise InputError(f"{path}: holds no sound; name a sound file")
    return np.concatenate(parts)


def _decoded(path: Path) -> Iterator[NDArray[np.float32]]:
    """Decode the first sound of each take."""
    for take in parts_of(path) or (None,):
        with open_input(path, take) as container:
            stream = find_sound(container)
            if stream is None:
                continue
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            for packet in demux(container, stream):
                for frame in packet.decode():
                    yield from _samples(resampler, frame)
            yield from _samples(resampler, None)


def _samples(
    resampler: av.AudioResampler, frame: av.AudioFrame | None
) -> Iterator[NDArray[np.float32]]:
    for part in resampler.resample(frame):
        yield part.to_ndarray().reshape(-1).astype(np.float32)
