"""Parameter keyframes: a list with times in seconds, or Deforum's text with frame numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from typing import Any

from rushes.text import shortened
from rushes.timeline.document import Keyframe, Schedule
from rushes.timeline.easing import LINEAR, NAMED_EASES, Ease
from rushes.timeline.fields import Fields, is_number
from rushes.timeline.times import LONGEST_SECONDS, to_microseconds

STEP = "step"
MOST_KEYS = 100_000

_DEFORUM_KEY = re.compile(r"\s*([0-9]{1,9})\s*:\s*\(?\s*([0-9]{0,9}\.?[0-9]{1,18})\s*\)?\s*")


def read_schedule(fields: Fields, key: str, low: float, high: float) -> Schedule | None:
    """Read the keyframes of one parameter, in either form.

    Source: deforum-art/sd-webui-deforum: scripts/deforum_helpers/animation_key_frames.py
    """
    value = fields.take(key)
    if value is None:
        return None
    if isinstance(value, str):
        return _read_deforum(fields, key, value, low, high)
    keys: list[Keyframe] = []
    for entry in fields.objects(key, most=MOST_KEYS):
        if entry is not None:
            keys.extend(_read_key(entry, low, high))
    if not value:
        fields.problems.error(fields.path_of(key), "is empty; give one keyframe or remove it")
    for before, after in pairwise(keys):
        if after.at <= before.at:
            message = "must be a list in order of time, each keyframe later than the one before"
            fields.problems.error(fields.path_of(key), message, value)
            break
    return Schedule("microseconds", tuple(keys))


def _read_key(entry: Fields, low: float, high: float) -> list[Keyframe]:
    at = entry.number("t", 0, LONGEST_SECONDS, required=True)
    value = entry.number("v", low, high, required=True)
    is_step = entry.take("ease") == STEP
    ease = None if is_step else read_ease(entry, "ease") or LINEAR
    for key in entry.unread():
        message = "is unknown; known here are t, v, ease"
        entry.problems.error(entry.path_of(key), message, entry.data[key])
    if at is None or value is None:
        return []
    return [Keyframe(to_microseconds(at), float(value), ease)]


def read_ease(fields: Fields, key: str) -> Ease | None:
    """Read an easing curve: a name, or the four numbers of a cubic Bezier curve."""
    value = fields.take(key)
    if value is None:
        return None
    if isinstance(value, str) and value in NAMED_EASES:
        return NAMED_EASES[value]
    if _is_bezier(value):
        x1, y1, x2, y2 = map(float, value)
        return x1, y1, x2, y2
    names = ", ".join(NAMED_EASES)
    fields.wrong(key, f"{names} or four numbers [x1, y1, x2, y2] within 0 and 1")
    return None


def _is_bezier(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(is_number(number) and 0 <= float(number) <= 1 for number in value)
    )


def _read_deforum(fields: Fields, key: str, text: str, low: float, high: float) -> Schedule | None:
    problems, path = fields.problems, fields.path_of(key)
    try:
        keys = [Keyframe(frame, float(value)) for frame, value in parse_deforum(text)]
    except ValueError as error:
        problems.error(path, str(error), text)
        return None
    for keyframe in keys:
        if not low <= keyframe.value <= high:
            message = f"is {keyframe.value} at frame {keyframe.at}; must be within {low} and {high}"
            problems.error(path, message, text)
    return Schedule("frames", tuple(keys))


def parse_deforum(text: str) -> list[tuple[int, Decimal]]:
    """Read ``0: (0.65), 30: (0.5)``: frames and numbers.

    Raises: ValueError when an entry is an expression or malformed, or a frame is out of order.
    """
    keys: list[tuple[int, Decimal]] = []
    for part in text.split(","):
        match = _DEFORUM_KEY.fullmatch(part)
        if match is None:
            found = shortened(part.strip(), 40)
            raise ValueError(f'"{found}" is not "frame: (number)"; expressions are not offered')
        frame = int(match[1])
        if keys and frame <= keys[-1][0]:
            raise ValueError(f"names frame {frame} after {keys[-1][0]}; put the frames in order")
        keys.append((frame, Decimal(match[2])))
    return keys
