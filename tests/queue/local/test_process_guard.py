"""Slots against real processes, some of which die badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes_queue.local.process_guard import ProcessGuard, SlotTakenError, stop_all, wait_until_free

SLEEP = ["sleep", "60"]
STUBBORN = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    "; time.sleep(60)",
]


FORKING = [
    *(sys.executable, "-c"),
    "import os, time; os.fork() or print('ready', flush=True); time.sleep(60)",
]


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[ProcessGuard]:
    slot = ProcessGuard(tmp_path, "part")
    yield slot
    slot.kill()


def wait_for_log(slot: ProcessGuard, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in slot.last_lines():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_slot_names_the_process_that_lives_in_it(slot: ProcessGuard) -> None:
    with slot.start(SLEEP, about="a sleeper") as process:
        assert (slot.is_taken(), slot.pid(), slot.about()) == (True, process.pid, "a sleeper")
        assert os.getpgid(process.pid) == process.pid
        process.kill()
    assert (slot.is_taken(), slot.pid(), slot.about()) == (False, None, "a sleeper")
    assert ProcessGuard(slot.folder, "other").about() is None


def test_a_slot_takes_one_process_at_a_time(slot: ProcessGuard) -> None:
    with slot.start(SLEEP) as process:
        with pytest.raises(SlotTakenError):
            slot.start(SLEEP)
        process.kill()
    with slot.start(["true"]) as process:
        assert process.wait() == 0


def test_the_number_of_a_stranger_in_a_stale_file_is_not_believed(slot: ProcessGuard) -> None:
    """As after a reboot: the file is there, and its number belongs to somebody else by now."""
    with slot.start(["true"]):
        pass
    with subprocess.Popen(SLEEP) as stranger:
        (slot.folder / "part.pid").write_text(f"{stranger.pid}\n")
        slot.send(signal.SIGKILL)
        slot.kill()
        assert stop_all([slot], [0.1]) == []
        assert (slot.pid(), stranger.poll()) == (None, None)
        stranger.kill()


def test_a_process_outlives_the_one_that_started_it(slot: ProcessGuard) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from rushes_queue.local.process_guard import ProcessGuard\n"
        "ProcessGuard(Path(sys.argv[1]), 'part').start(['sleep', '60'])"
    )
    subprocess.run([sys.executable, "-c", code, str(slot.folder)], check=True)
    assert slot.is_taken()
    slot.kill()
    assert wait_until_free([slot], 5)


def test_what_a_dead_process_left_behind_is_seen_and_ended(slot: ProcessGuard) -> None:
    with slot.start(FORKING) as process:
        wait_for_log(slot, "ready")
        assert not slot.is_orphaned()
        process.kill()
    assert slot.is_taken()
    assert slot.is_orphaned()
    slot.kill()
    assert wait_until_free([slot], 5)


def test_who_does_not_end_when_asked_twice_is_killed(slot: ProcessGuard) -> None:
    with slot.start(STUBBORN):
        wait_for_log(slot, "ready")
        began = time.monotonic()
        assert stop_all([slot], [0.2, 0.2]) == [slot]
        assert 0.4 < time.monotonic() - began < 3


def test_who_ends_when_asked_is_not_waited_for(slot: ProcessGuard) -> None:
    with slot.start(SLEEP) as process:
        assert stop_all([slot], [30]) == []
        assert process.wait() == -signal.SIGTERM


def test_the_end_of_the_log_is_on_one_line(slot: ProcessGuard) -> None:
    with slot.start(["printf", "one\\n\\ntwo\\nthree\\nfour\\n"]):
        pass
    assert slot.last_lines() == "two / three / four"
    assert ProcessGuard(slot.folder, "other").last_lines() == ""
