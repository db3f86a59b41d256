"""A watchdog hears when nothing is heard."""

from __future__ import annotations

import threading
import time

from rushes_queue.worker.watchdog import Watchdog


def test_silence_is_noticed_once() -> None:
    barks: list[float] = []
    with Watchdog(0.1, lambda: barks.append(time.monotonic()), round_seconds=0.02):
        time.sleep(1.0)
    assert len(barks) == 1


def test_who_is_heard_is_left_in_peace() -> None:
    barked = threading.Event()
    with Watchdog(1.0, barked.set, round_seconds=0.02) as watchdog:
        for _ in range(100):
            time.sleep(0.02)
            watchdog.feed()
    assert not barked.is_set()
