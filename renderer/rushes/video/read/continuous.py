"""Makes time stamps that restart or jump continuous: appended takes, cut recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeVar

from av.packet import Packet
from av.stream import Stream
from av.video import VideoStream

AnyStream = TypeVar("AnyStream", bound=Stream)

# Streams for broadcast, whose clocks may jump; a pause in other containers is meant.
_MAY_JUMP = {"mpegts", "mpeg", "flv", "rtp"}
LONGEST_PAUSE = Fraction(3)  # seconds
_MOST_TICKS = 2**56  # time stamps of damaged files may be anything


def may_jump(container_name: str) -> bool:
    """Say whether a container, by FFmpeg's names, is one whose clock may jump ahead."""
    return bool(set(container_name.split(",")) & _MAY_JUMP)


class ContinuousClock:
    """Moves the time stamps of a stream's packets so that they go on; remembers where.

    A keyframe is shown after all pictures that are decoded before it: one that is stamped before
    them begins a new take.
    """

    def __init__(self, stream: VideoStream, container_name: str) -> None:
        assert stream.time_base is not None
        self._index, self._time_base = stream.index, stream.time_base
        self._may_jump = may_jump(container_name)
        self._frame_ticks = max(1, round(1 / ((stream.average_rate or 25) * stream.time_base)))
        self._offset = 0
        self._first: int | None = None
        self._latest = 0  # stamp of the latest picture so far
        self._latest_ticks = self._frame_ticks  # its duration
        self.jumps: list[Fraction] = []  # seconds from the first picture on
        self.offsets: list[int] = []  # ticks by which the stamps behind each jump are moved

    def moved(self, packets: Iterable[Packet[AnyStream]]) -> Iterator[Packet[AnyStream]]:
        """Yield the packets, those of the stream with stamps that go on."""
        for packet in packets:
            if packet.stream_index == self._index and packet.size and packet.pts is not None:
                if abs(packet.pts) < _MOST_TICKS:
                    self._move(packet, packet.pts)
            yield packet

    def _move(self, packet: Packet[Any], stamp: int) -> None:
        moved = stamp + self._offset
        if self._first is None:
            self._first = self._latest = moved
        elif self._is_break(moved - self._latest, packet.is_keyframe):
            wanted = self._latest + self._latest_ticks
            self._offset += wanted - moved
            moved = wanted
            self.jumps.append((moved - self._first) * self._time_base)
            self.offsets.append(self._offset)
        if moved >= self._latest:
            self._latest, self._latest_ticks = moved, packet.duration or self._frame_ticks
        if self._offset:
            packet.pts = moved
            packet.dts = None if packet.dts is None else packet.dts + self._offset

    def _is_break(self, ticks: int, is_keyframe: bool) -> bool:
        if ticks < 0 or (ticks == 0 and self._may_jump):  # as takes of one picture are stamped
            return is_keyframe or -ticks * self._time_base > LONGEST_PAUSE
        return self._may_jump and ticks * self._time_base > LONGEST_PAUSE
