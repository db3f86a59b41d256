"""Finds the timing of a video's frames, and whether the file is complete, from its packets."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video import VideoStream

from rushes.errors import InputError
from rushes.video.read.continuous import ContinuousClock
from rushes.video.read.input_file import demux
from rushes.video.read.looks import Looks

# The rate of an image, which states none: FFmpeg's own default.
_DEFAULT_RATE = Fraction(25)
# B-frames leave their order by at most 16 frames (H.264, H.265).
_REORDERED_FRAMES = 64
# Containers whose header states the duration; a file that ends earlier by this much was cut short.
_STATE_DURATION = {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"}
_MISSING_SECONDS = Fraction(1, 2)


@dataclass(frozen=True)
class Timing:
    """How many frames a video has and when each is shown; the fields are those of `VideoInfo`."""

    fps: Fraction
    num_frames: int
    duration: Fraction
    is_variable_rate: bool
    has_timestamps: bool
    start_seconds: Fraction
    jumps: tuple[Fraction, ...] = ()


def scan_timing(container: InputContainer, stream: VideoStream, name: str, looks: Looks) -> Timing:
    """Read every packet once, decoding only those that are looked at.

    Raises: InputError when there is no frame, or the file ends too early.
    """
    assert stream.time_base is not None
    pictures = _Pictures(stream)
    ending = _Ending()
    clock = ContinuousClock(stream, container.format.name)
    try:
        packets = ending.watch(looks.watch(demux(container)))
        for ordered in _in_order(pictures.of(clock.moved(packets))):
            pictures.time(*ordered)
    except av.FFmpegError as error:
        begun = f"after frame {pictures.num_frames - 1}" if pictures.num_frames else "at its start"
        raise InputError(f"{name}: is damaged {begun}; export it again") from error
    if not pictures.num_frames:
        raise InputError(f"{name}: holds no frame; export it again")
    timing = pictures.timing()
    if ending.is_cut or _stated_end(container, stream) - ending.seconds > _MISSING_SECONDS:
        raise InputError(
            f"{name}: is cut short: it holds {float(ending.seconds):.1f} s "
            f"({pictures.num_frames} frames), less than its header states; copy or export it again"
        )
    return replace(timing, jumps=tuple(clock.jumps))


def _stated_end(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return the end in seconds according to the header, 0 if it has none."""
    if container.format.name not in _STATE_DURATION:
        return Fraction(0)
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)


class _Ending:
    """The end of the last packets, and whether the very last one is incomplete."""

    def __init__(self) -> None:
        self.seconds = Fraction(0)
        self.is_cut = False

    def watch(self, packets: Iterable[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        for packet in packets:
            if packet.size:
                self.is_cut = packet.is_corrupt
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.seconds = max(self.seconds, end)
            yield packet


class _Pictures:
    """Counts pictures in order of presentation and tries the constant rates they may have."""

    def __init__(self, stream: VideoStream) -> None:
        assert stream.time_base is not None
        self._stream = stream
        self._time_base = stream.time_base
        rates = (stream.average_rate, stream.base_rate, stream.guessed_rate)
        self._rates = list(dict.fromkeys(rate for rate in rates if rate))
        self._first_pts = self._last_pts = self._last_ticks = 0
        self._has_timestamps = True
        self.num_frames = 0

    def of(self, packets: Iterable[Packet[Stream]]) -> Iterator[tuple[int | None, int]]:
        """Pick the packets that show a picture; yield time stamp and duration in ticks."""
        for packet in packets:
            if packet.stream_index != self._stream.index or not packet.size:
                continue
            if not packet.is_discard and not self._is_hidden(packet):
                yield packet.pts, packet.duration or 0

    def _is_hidden(self, packet: Packet[Stream]) -> bool:
        """Tell VP8's invisible reference frames (RFC 6386, section 9.1: the show_frame bit)."""
        return self._stream.codec_context.name in {"vp8", "libvpx"} and not bytes(packet)[0] & 16

    def time(self, pts: int | None, ticks: int) -> None:
        """Take the next picture in order of presentation."""
        if pts is None or (self.num_frames and pts < self._last_pts):
            self._has_timestamps = False
        else:
            if not self.num_frames:
                self._first_pts = pts
            self._rates = [rate for rate in self._rates if self._on_grid(pts, rate)]
            self._last_pts, self._last_ticks = pts, ticks
        self.num_frames += 1

    def _on_grid(self, pts: int, rate: Fraction) -> bool:
        """Tell whether the picture is where a constant rate puts it, give or take rounding."""
        frame_ticks = 1 / (rate * self._time_base)
        error = abs(pts - self._first_pts - self.num_frames * frame_ticks)
        return error <= 1 and 2 * error < frame_ticks

    def timing(self) -> Timing:
        is_variable = self._has_timestamps and not self._rates
        seconds = (self._last_pts + self._last_ticks - self._first_pts) * self._time_base
        if self._has_timestamps and self._rates and self.num_frames > 1:
            fps = self._rates[0]
        else:
            measured = self.num_frames / seconds if seconds > 0 else self._stream.guessed_rate
            fps = self._stream.average_rate or measured or _DEFAULT_RATE
        if not is_variable:
            # A held last frame, common in GIFs, lengthens the clip; rounding does not.
            held = self._last_ticks * self._time_base - 1 / fps
            seconds = self.num_frames / fps + (held if held > 1 / (2 * fps) else 0)
        elif not self._last_ticks:
            seconds += 1 / fps
        return Timing(
            fps=fps,
            num_frames=self.num_frames,
            duration=seconds,
            is_variable_rate=is_variable,
            has_timestamps=self._has_timestamps,
            start_seconds=self._first_pts * self._time_base,
        )


def _in_order(pictures: Iterable[tuple[int | None, int]]) -> Iterator[tuple[int | None, int]]:
    """Sort pictures from decoding order into order of presentation, holding only a few."""
    waiting: list[tuple[int, int]] = []
    for pts, ticks in pictures:
        if pts is None:
            yield None, ticks
            continue
        heapq.heappush(waiting, (pts, ticks))
        if len(waiting) > _REORDERED_FRAMES:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)
