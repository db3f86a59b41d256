"""The value of a scheduled parameter at a frame."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from rushes.timeline.document import MICROSECONDS, Schedule
from rushes.timeline.easing import eased


class ScheduledValue:
    """A schedule on the frame grid; instants are compared as integers."""

    def __init__(self, schedule: Schedule, fps: Fraction) -> None:
        in_frames = schedule.unit == "frames"
        self._frame_scale = 1 if in_frames else MICROSECONDS * fps.denominator
        key_scale = 1 if in_frames else fps.numerator
        self._places = [key.at * key_scale for key in schedule.keys]
        self._keys = schedule.keys
        self._last = len(schedule.keys) - 1

    def at(self, frame: int) -> float:
        """Return the value at the frame's presentation time; it holds outside the keyframes."""
        place = frame * self._frame_scale
        after = bisect_right(self._places, place)
        before, target = self._keys[max(after - 1, 0)], self._keys[min(after, self._last)]
        if after == 0 or before is target or target.ease is None:
            return before.value
        start, end = self._places[after - 1], self._places[after]
        share = eased(target.ease, (place - start) / (end - start))
        return before.value + (target.value - before.value) * share
