"""Time stamps of sound that start anew or jump are moved as those of its pictures are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from av.audio import AudioStream
from av.packet import Packet

from rushes.video.read.appended import Part
from rushes.video.read.continuous import LONGEST_PAUSE, ContinuousClock, may_jump
from rushes.video.read.input_file import demux, open_input
from rushes.video.read.streams import find_pictures, moving_streams

_LEAST_STEP_BACK = Fraction(1, 10)  # seconds; what is less is rounding
_MOST_TICKS = 2**56  # stamps of damaged files may be anything


class SoundClock:
    """Moves the time stamps of a sound's packets so that each take is heard with its pictures.

    Packets that would be heard before the end of those before them are left out.
    """

    def __init__(
        self, path: Path, stream: AudioStream, container_name: str, part: Part | None = None
    ) -> None:
        assert stream.time_base is not None
        self._path, self._part, self._time_base = path, part, stream.time_base
        self._may_jump = may_jump(container_name)
        self._offset = 0  # ticks
        self._end: int | None = None  # of the packet before, as moved
        self._offsets: list[Fraction] | None = None  # of the takes' pictures, once they are needed

    def moved(self, packets: Iterable[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
        """Yield the packets with stamps that go on."""
        for packet in packets:
            stamp = packet.pts
            if stamp is None or not packet.size or abs(stamp) >= _MOST_TICKS:
                continue
            if self._end is not None and self._is_break(stamp + self._offset - self._end):
                self._offset = self._next_offset(self._end - stamp)
            begin = stamp + self._offset
            if self._end is not None and begin < self._end - 1:
                continue
            packet.pts = packet.dts = begin  # sound is never reordered
            self._end = begin + (packet.duration or 0)
            yield packet

    def _is_break(self, ticks: int) -> bool:
        seconds = ticks * self._time_base
        return seconds < -_LEAST_STEP_BACK or (self._may_jump and seconds > LONGEST_PAUSE)

    def _next_offset(self, at_once: int) -> int:
        """Return the offset of the next take's pictures; without one the sound goes on at once."""
        if self._offsets is None:
            self._offsets = picture_offsets(self._path, self._part)
        return round(self._offsets.pop(0) / self._time_base) if self._offsets else at_once


def picture_offsets(path: Path, part: Part | None = None) -> list[Fraction]:
    """Return by how many seconds the pictures behind each jump of their stamps are moved."""
    with open_input(path, part) as container:
        if not moving_streams(container):
            return []
        stream = find_pictures(container, path, part)
        assert stream.time_base is not None
        clock = ContinuousClock(stream, container.format.name)
        for _ in clock.moved(demux(container, stream)):
            pass
        return [ticks * stream.time_base for ticks in clock.offsets]
