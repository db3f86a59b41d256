"""The supervisor's care for one process."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rushes_queue.local.farm_file import about_in
from rushes_queue.local.process_guard import ProcessGuard
from rushes_queue.local.supervisor import Charge, pause_seconds

# A supervisor's processes are to outlive it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

SLEEP = ["sleep", "60"]
FORKING = [
    *(sys.executable, "-c"),
    "import os, time; os.fork() or print('ready', flush=True); time.sleep(60)",
]


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[ProcessGuard]:
    slot = ProcessGuard(tmp_path, "part")
    yield slot
    slot.kill()


def tend_until(charge: Charge, command: list[str], is_true: Callable[[], bool]) -> float:
    """Look after the process as the supervisor does; returns how long that took."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < 30
        charge.tend(command, "key", os.environ)
        time.sleep(0.02)
    return time.monotonic() - began


def test_pauses_grow_up_to_a_limit() -> None:
    assert [pause_seconds(deaths) for deaths in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pause_seconds(10_000) == 30


def test_a_process_that_dies_is_started_again_after_a_pause(slot: ProcessGuard) -> None:
    charge = Charge(slot)
    charge.tend(SLEEP, "key", os.environ)
    first = slot.pid()
    charge.tend(SLEEP, "key", os.environ)
    assert slot.pid() == first
    slot.send(signal.SIGKILL)
    seconds = tend_until(charge, SLEEP, lambda: slot.pid() not in (None, first))
    assert seconds > pause_seconds(1) - 0.1
    about = about_in(slot)
    assert about is not None
    assert (about.key, about.deaths) == ("key", 1)


def test_one_that_ends_well_is_started_again_at_once_and_not_blamed(slot: ProcessGuard) -> None:
    charge = Charge(slot)
    charge.tend(["echo", "life"], "key", os.environ)
    seconds = tend_until(charge, ["echo", "life"], lambda: slot.log.read_text().count("life") > 3)
    assert seconds < pause_seconds(4)
    tend_until(charge, SLEEP, lambda: about_in(slot) is not None)
    about = about_in(slot)
    assert about is not None
    assert about.deaths == 0


def test_what_a_dead_process_left_behind_makes_room_for_the_next(slot: ProcessGuard) -> None:
    charge = Charge(slot)
    tend_until(charge, FORKING, lambda: "ready" in slot.last_lines())
    first = slot.pid()
    slot.send(signal.SIGKILL)
    tend_until(charge, SLEEP, lambda: slot.pid() not in (None, first))


def test_a_silent_process_is_started_again(slot: ProcessGuard) -> None:
    charge = Charge(slot, seconds_to_be_heard=1.0)
    charge.tend(SLEEP, "key", os.environ)
    first = slot.pid()
    charge.hear(is_heard=False)
    assert slot.pid() == first  # it has only just begun
    time.sleep(1.1)
    charge.hear(is_heard=True)
    assert slot.pid() == first
    charge.hear(is_heard=False)
    tend_until(charge, SLEEP, lambda: slot.pid() not in (None, first))


def test_a_process_of_an_earlier_supervisor_is_left_in_peace(slot: ProcessGuard) -> None:
    with slot.start(SLEEP) as process:
        Charge(slot).tend(SLEEP, "key", os.environ)
        assert slot.pid() == process.pid
        process.kill()
