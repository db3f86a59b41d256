"""Whether tests run at the full length of ``make chaos``, or in the short form of ``make test``."""

from __future__ import annotations

import os

import pytest

VARIABLE = "LONG_FAULTS"
IS_LONG = bool(os.environ.get(VARIABLE))

only_in_the_long_form = pytest.mark.skipif(not IS_LONG, reason="only in the long form: make chaos")


def lasting(short: float, long: float) -> float:
    """Return how long something lasts, in seconds."""
    return long if IS_LONG else short
