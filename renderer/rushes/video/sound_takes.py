"""The sound of a file, of one take or of several appended ones, in step with its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio import AudioStream
from av.container import InputContainer
from av.packet import Packet

from rushes.errors import InputError
from rushes.video.read.appended import Part, parts_of
from rushes.video.read.input_file import demux, open_input, refuse_bytes
from rushes.video.read.probe import probe_video
from rushes.video.read.streams import find_pictures, moving_streams
from rushes.video.sound_clock import SoundClock


@dataclass(frozen=True)
class SoundPacket:
    """A packet and the second at which it is heard; the clip's first picture is at 0."""

    packet: Packet[AudioStream]
    seconds: Fraction
    take: int


@dataclass(frozen=True)
class _Take:
    part: Part | None
    begin: Fraction | None  # of its pictures; None where there are none: after the take before
    end: Fraction | None


class SoundTakes:
    """The packets of a file's sound; those beyond the end of a take's pictures are left out.

    ``stream`` is the first take's that has sound. Its container stays open until `close`.
    Raises: MissingFileError; InputError when there is no sound.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._takes = _takes_of(path)
        self._open: list[InputContainer] = []
        streams = [self._stream(take) for take in self._takes]
        heard = [stream for stream in streams if stream is not None]
        if not heard:
            self.close()
            raise InputError(f"{path}: holds no sound; render without it")
        self.stream = heard[0]
        self.is_uniform = len({_kind(stream) for stream in heard}) == 1

    def packets(self) -> Iterator[SoundPacket]:
        """Yield the packets in order."""
        self.close()
        end: Fraction | None = None
        for index, take in enumerate(self._takes):
            stream = self._stream(take)
            if stream is None:
                continue
            assert stream.time_base is not None
            container = self._open[-1]
            begin = (end or Fraction(0)) if take.begin is None else take.begin
            begin -= _zero_seconds(container, stream, self._path, take.part)
            clock = SoundClock(self._path, stream, container.format.name, take.part)
            for packet in clock.moved(demux(container, stream)):
                assert packet.pts is not None
                seconds = begin + packet.pts * stream.time_base
                if end is not None and seconds < end - stream.time_base:
                    continue  # what a decoder warms up on, below the end of the take before
                last = seconds + (packet.duration or 0) * stream.time_base
                if take.end is not None and last > take.end:
                    break
                end = last
                yield SoundPacket(packet, seconds, index)
            self.close()

    def close(self) -> None:
        """Release the file."""
        for container in self._open:
            container.close()
        self._open.clear()

    def _stream(self, take: _Take) -> AudioStream | None:
        container = open_input(self._path, take.part)
        self._open.append(container)
        return find_sound(container)


def find_sound(container: InputContainer) -> AudioStream | None:
    """Return the first sound that can be decoded."""
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def _takes_of(path: Path) -> list[_Take]:
    refuse_bytes(path)
    parts = parts_of(path)
    if not parts:
        return [_Take(None, Fraction(0), None)]
    try:
        takes = probe_video(path).takes
    except InputError:  # only sound, or pictures that cannot be used
        return [_Take(part, None, None) for part in parts]
    begin, found = Fraction(0), []
    for take in takes:
        found.append(_Take(take.part, begin, begin + take.duration))
        begin += take.duration
    return found


def _kind(stream: AudioStream) -> tuple[object, ...]:
    """Return what packets of one output stream must have in common."""
    context = stream.codec_context
    return context.name, context.sample_rate, context.layout.name, context.extradata


def _zero_seconds(
    container: InputContainer, stream: AudioStream, path: Path, part: Part | None
) -> Fraction:
    """Return the container's time of the first picture or, without pictures, of the first sound."""
    if moving_streams(container):
        pictures = find_pictures(container, path, part)
        return (pictures.start_time or 0) * (pictures.time_base or Fraction(1))
    return (stream.start_time or 0) * (stream.time_base or Fraction(1))
