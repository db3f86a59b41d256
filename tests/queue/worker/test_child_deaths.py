"""Why a child died, as its parent hears of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rushes_queue.worker.child_deaths import Cause, cause_of, count_memory_kills


@pytest.mark.parametrize(
    ("status", "is_memory_short", "cause"),
    [
        (signal.SIGSEGV, False, "crash"),
        (signal.SIGABRT, True, "crash"),
        (signal.SIGBUS, False, "crash"),
        (signal.SIGKILL, False, "outside"),
        (signal.SIGTERM, True, "outside"),
        (signal.SIGHUP, False, "outside"),
        (signal.SIGKILL, True, "memory"),
        (None, True, "crash"),
    ],
)
def test_signals_tell_whose_doing_it_was(
    status: signal.Signals | None, is_memory_short: bool, cause: Cause
) -> None:
    from billiard.common import human_status  # type: ignore[import-untyped]

    words = human_status(-status if status else 70)
    message = f"Worker exited prematurely: {words} Job: 15."
    assert cause_of(message, is_memory_short=is_memory_short) == cause


def test_the_kernel_tells_how_often_memory_was_short(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    assert count_memory_kills(counters) == 0
    counters.write_text("nr_free_pages 15\noom_kill 9\noom_kill_other 3\n")
    assert count_memory_kills(counters) == 9
