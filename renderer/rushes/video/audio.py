"""Carry the sound of a file into a result, packet by packet, as far as the pictures go."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from rushes.video.read.input_file import open_input
from rushes.video.sound_takes import SoundTakes, find_sound

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
        return find_sound(container) is not None


class AudioTrack:
    """The sound of a result, written along with the pictures.

    It is cut to whole packets (about 20 ms): none begins before the first frame or ends after the
    last. It ends with its source, even if the pictures loop.

    Raises: MissingFileError, InputError: see `open_input`.
    """

    def __init__(self, source: AudioSource, output: OutputContainer, extension: str) -> None:
        self._takes, self._output = SoundTakes(source.path), output
        stream = self._takes.stream
        name = stream.codec_context.codec.canonical_name
        can_copy = name in _COPIED.get(extension, output.supported_codecs)
        self._is_copied = can_copy and self._takes.is_uniform
        if self._is_copied:
            self._stream = output.add_stream_from_template(stream)
        else:
            self._stream = _add_encoded_stream(output, _ENCODERS[extension], stream)
        hides_warm_up = extension in {".mp4", ".mov"} or not self._is_copied
        self._warm_up = _WARM_UP if hides_warm_up else _MATROSKA_WARM_UP.get(name, Fraction(0))
        self._start_seconds = source.start_seconds
        self._resampler: av.AudioResampler | None = None
        self._take = self._end = 0  # the end of what was encoded, in samples
        self._packets = self._takes.packets()
        self._next = next(self._packets, None)

    def write_until(self, seconds: Fraction) -> None:
        """Write all sound that has ended by this second of the result."""
        while self._next is not None:
            packet = self._next.packet
            assert packet.time_base is not None
            begin = round((self._next.seconds - self._start_seconds) / packet.time_base)
            if (begin + (packet.duration or 0)) * packet.time_base > seconds:
                return
            packet.pts = packet.dts = begin  # sound is never reordered
            if begin * packet.time_base >= -self._warm_up:
                self._write(packet, self._next.take)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Write what the encoder still holds, and release the source."""
        if not self._is_copied:
            self._encode(None)
            self._output.mux(self._stream.encode(None))
        self.close()

    def close(self) -> None:
        """Release the source."""
        self._takes.close()

    def _write(self, packet: Packet[AudioStream], take: int) -> None:
        if self._is_copied:
            packet.stream = self._stream
            self._output.mux(packet)
            return
        if take != self._take:  # it may have another rate and other channels
            self._encode(None)
            self._take = take
        # A gap in the sound where it is damaged is better than no result.
        with contextlib.suppress(av.InvalidDataError):
            for frame in packet.decode():
                if frame.pts is not None and frame.pts >= 0:
                    self._encode(frame)

    def _encode(self, frame: av.AudioFrame | None) -> None:
        """Encode a decoded frame; None at the end of a take."""
        context = self._stream.codec_context
        if self._resampler is None:
            if frame is None:
                return
            self._resampler = av.AudioResampler(context.format, context.layout, context.rate)
        for part in self._resampler.resample(frame):
            if part.pts is not None and part.time_base is not None:
                begin = round(part.pts * part.time_base * context.rate)
                part.time_base = Fraction(1, context.rate)
                part.pts = max(
                    begin, self._end
                )  # takes may overlap by the rounding of their clocks
                self._end = part.pts + part.samples
            self._output.mux(self._stream.encode(part))
        if frame is None:
            self._resampler = None


def _add_encoded_stream(output: OutputContainer, encoder: str, source: AudioStream) -> AudioStream:
    stream = output.add_stream(encoder, rate=_ENCODED_RATE)
    assert isinstance(stream, AudioStream)
    stream.codec_context.bit_rate = _ENCODED_BITS
    stream.codec_context.layout = "mono" if source.codec_context.channels == 1 else "stereo"
    return stream
