"""Checks that behave as badly as checks can."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from rushes.errors import ConfigError
from rushes_queue.doctor.finding import Finding, ok
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


def check_that_dies(_: LoadedSettings) -> Iterator[Finding]:
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    yield ok("dead", "cannot be")


def check_that_hangs(_: LoadedSettings) -> Iterator[Finding]:
    time.sleep(60)
    yield ok("late", "too late")


def check_after_all(_: LoadedSettings) -> Iterator[Finding]:
    yield ok("last", f"in process {os.getpid()}")
