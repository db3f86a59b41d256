"""Carry the sound of a file into a result, packet by packet, as far as the pictures go."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition

from rushes.errors import InputError
from rushes.video.read.input_file import open_input
from rushes.video.sound_clock import SoundClock

# What players expect in each container; Matroska takes whatever FFmpeg can put there.
_COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
    ".webm": {"opus", "vorbis"},
}
_ENCODERS = {".mp4": "aac", ".mov": "aac", ".webm": "libopus", ".mkv": "libopus"}
# Sound before the first frame, for decoders to warm up on (RFC 7845 section 4.6: 80 ms for Opus).
# MP4 hides it with an edit list; Matroska hides only Opus's own delay of 6.5 ms, else it would
# move the pictures.
_WARM_UP = Fraction(80, 1000)
_MATROSKA_WARM_UP = {"opus": Fraction(7, 1000)}
_ENCODED_RATE = 48_000  # hertz; the only rate that both encoders share with every source
_ENCODED_BITS = 192_000  # a second


@dataclass(frozen=True)
class AudioSource:
    """A file's sound, and the second of it at which the result's first frame is shown.

    Seconds count from the file's first picture, if it has pictures; with a negative start the sound
    begins later than the pictures.
    """

    path: Path
    start_seconds: Fraction = Fraction(0)


def holds_sound(path: Path) -> bool:
    """Say whether a file has sound that can be copied.

    Raises: MissingFileError, InputError: see `open_input`.
    """
    with open_input(path) as container:
        return _find_sound(container) is not None


class AudioTrack:
    """The sound of a result, written along with the pictures.

    It is cut to whole packets (about 20 ms): none begins before the first frame or ends after the
    last. It ends with its source, even if the pictures loop.

    Raises: MissingFileError, InputError: see `open_input`.
    """

    def __init__(self, source: AudioSource, output: OutputContainer, extension: str) -> None:
        self._source, self._output = open_input(source.path), output
        stream = _find_sound(self._source)
        if stream is None:
            raise InputError(f"{source.path}: holds no sound; render without it")
        name = stream.codec_context.codec.canonical_name
        self._is_copied = name in _COPIED.get(extension, output.supported_codecs)
        if self._is_copied:
            self._stream = output.add_stream_from_template(stream)
        else:
            self._stream = _add_encoded_stream(output, _ENCODERS[extension], stream)
        hides_warm_up = extension in {".mp4", ".mov"} or not self._is_copied
        self._warm_up = _WARM_UP if hides_warm_up else _MATROSKA_WARM_UP.get(name, Fraction(0))
        assert stream.time_base is not None
        start_seconds = source.start_seconds + _zero_seconds(self._source, stream)
        self._time_base = stream.time_base
        self._shift = round(start_seconds / stream.time_base)  # ticks
        clock = SoundClock(source.path, stream, self._source.format.name)
        self._packets = clock.moved(self._source.demux(stream))
        self._next = next(self._packets, None)

    def write_until(self, seconds: Fraction) -> None:
        """Write all sound that has ended by this second of the result."""
        while self._next is not None:
            packet = self._next
            assert packet.pts is not None
            begin = packet.pts - self._shift
            if (begin + (packet.duration or 0)) * self._time_base > seconds:
                return
            packet.pts = packet.dts = begin  # sound is never reordered
            if begin * self._time_base >= -self._warm_up:
                self._write(packet)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write what the encoder still holds, and release the source."""
        if not self._is_copied:
            self._output.mux(self._stream.encode(None))
        self.close()

    def close(self) -> None:
        """Release the source."""
        self._source.close()

    def _write(self, packet: Packet[AudioStream]) -> None:
        if self._is_copied:
            packet.stream = self._stream
            self._output.mux(packet)
            return
        # A gap in the sound where it is damaged is better than no result.
        with contextlib.suppress(av.InvalidDataError):
            for frame in packet.decode():
                if frame.pts is not None and frame.pts >= 0:
                    self._output.mux(self._stream.encode(frame))


def _find_sound(container: InputContainer) -> AudioStream | None:
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def _zero_seconds(container: InputContainer, stream: AudioStream) -> Fraction:
    """Return the container's time of the first picture or, without pictures, of the first sound."""
    for pictures in container.streams.video:
        if Disposition.attached_pic not in pictures.disposition:
            return (pictures.start_time or 0) * (pictures.time_base or Fraction(1))
    return (stream.start_time or 0) * (stream.time_base or Fraction(1))


def _add_encoded_stream(output: OutputContainer, encoder: str, source: AudioStream) -> AudioStream:
    stream = output.add_stream(encoder, rate=_ENCODED_RATE)
    assert isinstance(stream, AudioStream)
    stream.codec_context.bit_rate = _ENCODED_BITS
    stream.codec_context.layout = "mono" if source.codec_context.channels == 1 else "stereo"
    return stream
