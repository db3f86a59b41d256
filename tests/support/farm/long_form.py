"""Whether faults last as long as in ``make chaos``, or as short as in ``make test``."""

from __future__ import annotations

import os

VARIABLE = "LONG_FAULTS"
IS_LONG = bool(os.environ.get(VARIABLE))


def lasting(short: float, long: float) -> float:
    """Return how long something lasts, in seconds."""
    return long if IS_LONG else short
