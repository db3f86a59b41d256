"""Checks that behave as badly as checks can."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from rushes.errors import ConfigError
from rushes_queue.doctor.finding import Check, Finding, ok
from rushes_queue.settings.loaded import LoadedSettings


def check_fine(_: LoadedSettings) -> Iterator[Finding]:
    print("a library that prints")
    yield ok("fine", "before the others")


def check_that_raises(_: LoadedSettings) -> Iterator[Finding]:
    raise ZeroDivisionError("by nothing")
    yield


def check_our_error(_: LoadedSettings) -> Iterator[Finding]:
    raise ConfigError("this setting is wrong")
    yield


def check_that_ends(_: LoadedSettings) -> Iterator[Finding]:
    """End as it is told: by the kernel, or not at all."""
    if os.environ["END"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    yield ok("late", "too late")


CHECKS: tuple[Check, ...] = (check_fine, check_that_raises, check_our_error, check_that_ends)
