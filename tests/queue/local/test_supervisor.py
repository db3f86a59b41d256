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
from rushes_queue.local.supervisor import SupervisedProcess, pause_seconds

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


def run_until(process: SupervisedProcess, command: list[str], is_true: Callable[[], bool]) -> float:
    """Look after the process as the supervisor does; returns how long that took."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < 30
        process.keep_alive(command, "key", os.environ)
        time.sleep(0.02)
    return time.monotonic() - began


def test_pauses_grow_up_to_a_limit() -> None:
    assert [pause_seconds(deaths) for deaths in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pause_seconds(10_000) == 30


def test_a_process_that_dies_is_started_again_after_a_pause(slot: ProcessGuard) -> None:
    process = SupervisedProcess(slot)
    process.keep_alive(SLEEP, "key", os.environ)
    first = slot.pid()
    process.keep_alive(SLEEP, "key", os.environ)
    assert slot.pid() == first
    slot.send(signal.SIGKILL)
    seconds = run_until(process, SLEEP, lambda: slot.pid() not in (None, first))
    assert seconds > pause_seconds(1) - 0.1
    about = about_in(slot)
    assert about is not None
    assert (about.key, about.deaths) == ("key", 1)


def test_one_that_ends_well_is_started_again_at_once_and_not_blamed(slot: ProcessGuard) -> None:
    process = SupervisedProcess(slot)
    process.keep_alive(["echo", "life"], "key", os.environ)
    seconds = run_until(process, ["echo", "life"], lambda: slot.log.read_text().count("life") > 3)
    assert seconds < pause_seconds(4)
    run_until(process, SLEEP, lambda: about_in(slot) is not None)
    about = about_in(slot)
    assert about is not None
    assert about.deaths == 0


def test_what_a_dead_process_left_behind_makes_room_for_the_next(slot: ProcessGuard) -> None:
    process = SupervisedProcess(slot)
    run_until(process, FORKING, lambda: "ready" in slot.last_lines())
    first = slot.pid()
    slot.send(signal.SIGKILL)
    run_until(process, SLEEP, lambda: slot.pid() not in (None, first))


def test_a_silent_process_is_started_again(slot: ProcessGuard) -> None:
    process = SupervisedProcess(slot, longest_silence=1.0)
    process.keep_alive(SLEEP, "key", os.environ)
    first = slot.pid()
    process.note_heartbeat(is_alive=False)
    assert slot.pid() == first  # it has only just begun
    time.sleep(1.1)
    process.note_heartbeat(is_alive=True)
    assert slot.pid() == first
    process.note_heartbeat(is_alive=False)
    run_until(process, SLEEP, lambda: slot.pid() not in (None, first))


def test_a_process_of_an_earlier_supervisor_is_left_in_peace(slot: ProcessGuard) -> None:
    with slot.start(SLEEP) as process:
        SupervisedProcess(slot).keep_alive(SLEEP, "key", os.environ)
        assert slot.pid() == process.pid
        process.kill()
