"""The phases of an attempt have deadlines, learned from what earlier ones took."""

from __future__ import annotations

import time

from rushes_queue.settings.model import Deadlines
from rushes_queue.worker.phases import PhaseClock, PhaseTimes

SHORT = Deadlines(
    **dict.fromkeys(
        (
            *("input_seconds", "load_seconds", "first_chunk_seconds", "chunk_seconds"),
            *("save_seconds", "join_seconds", "publish_seconds"),
        ),
        0.2,
    ),
    times_usual=3,
)


def watch(clock: PhaseClock, seconds: float) -> str | None:
    """Look often for some time; return the last answer."""
    answer = None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = clock.overdue()
        time.sleep(0.02)
    return answer


def test_each_phase_has_its_own_deadline() -> None:
    clock = PhaseClock(SHORT, PhaseTimes(), longest_step=1.0)
    clock.begin("load")
    assert watch(clock, 0.1) is None
    clock.begin("first chunk")
    assert watch(clock, 0.1) is None
    assert "'first chunk' hangs" in (watch(clock, 0.4) or "")
    clock.begin("publish")
    assert clock.overdue() is None


def test_what_took_long_before_may_take_longer() -> None:
    times = PhaseTimes()
    times.add("slow", "load", 5.0)
    clock = PhaseClock(SHORT, times, longest_step=1.0)
    clock.set_kind("slow")
    clock.begin("load")
    assert watch(clock, 0.5) is None
    clock.set_kind("another")
    assert watch(clock, 0.1) is not None


def test_the_first_chunk_tells_of_the_next() -> None:
    clock = PhaseClock(SHORT, PhaseTimes(), longest_step=1.0)
    clock.begin("first chunk")
    time.sleep(0.3)
    clock.begin("chunk")
    assert watch(clock, 0.5) is None


def test_a_render_may_wait_for_a_save_point() -> None:
    times = PhaseTimes()
    times.add("", "save", 5.0)
    clock = PhaseClock(SHORT, times, longest_step=1.0)
    clock.begin("chunk")
    with clock.saving():
        assert watch(clock, 0.5) is None
    assert clock.overdue() is None


def test_the_time_of_a_stopped_process_does_not_count() -> None:
    clock = PhaseClock(SHORT, PhaseTimes(), longest_step=0.05)
    clock.begin("load")
    time.sleep(0.5)
    assert clock.overdue() is None
