"""Times and rates as exact numbers: whole microseconds, and fractions of frames a second."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from rushes.timeline.document import MICROSECONDS

LONGEST_SECONDS = 7 * 24 * 3600  # a week; far more than the ten hours that the design asks for
MOST_FPS = 240
LEAST_FPS = Fraction(1, 10)

_FRACTION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,17})?|[0-9]{1,30}/0*[1-9][0-9]{0,29}")


def to_microseconds(seconds: Decimal) -> int:
    """Round to whole microseconds, half to even; this removes a recorder's clock noise."""
    return round(Fraction(seconds) * MICROSECONDS)


def first_frame_at(microseconds: int, fps: Fraction) -> int:
    """Return the first frame whose presentation time is not before the given one."""
    return -(-microseconds * fps.numerator // (MICROSECONDS * fps.denominator))


def ceil_frames(seconds: Fraction, fps: Fraction) -> int:
    """Return how many frames it takes to fill a length of time."""
    frames = seconds * fps
    return -(-frames.numerator // frames.denominator)


def parse_fraction(text: str) -> Fraction:
    """Read ``24``, ``23.976`` or ``30000/1001`` exactly.

    Raises: ValueError when the text is not such a number.
    """
    if not _FRACTION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a number such as 24, 23.976 or 30000/1001")
    return Fraction(text)


def exact_rate(value: str | int | Decimal) -> Fraction | None:
    """Return frames a second from a number or from text such as ``30000/1001``, if usable."""
    try:
        rate = parse_fraction(f"{value:f}" if isinstance(value, Decimal) else str(value))
    except ValueError:
        return None
    return rate if is_rate(rate) else None


def is_rate(fps: Fraction) -> bool:
    """Return whether a video can sensibly have this rate."""
    return LEAST_FPS <= fps <= MOST_FPS


def show_rate(fps: Fraction) -> str:
    """Write a rate as a person would: ``16``, ``29.97``."""
    return f"{float(fps):.6g}"


def show_seconds(microseconds: int) -> str:
    """Write an instant in seconds without trailing zeros: ``4.3515``."""
    return f"{Decimal(microseconds) / MICROSECONDS:f}"
