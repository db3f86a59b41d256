"""The memory shared between a worker's parent and its child."""

from __future__ import annotations

import os

import pytest

from rushes_queue.worker.shared_status import Activity, SharedStatus


def test_what_a_child_writes_its_parent_reads() -> None:
    shared = SharedStatus()
    activity = Activity("busy", "tiny", "a" * 16, 7, 3, 99)
    child = os.fork()
    if child == 0:
        shared.write(activity)
        os._exit(0)
    os.waitpid(child, 0)
    assert shared.read() == activity


def test_a_child_sees_that_it_is_to_drain() -> None:
    shared = SharedStatus()
    shared.drain()
    child = os.fork()
    if child == 0:
        os._exit(0 if shared.is_draining else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_half_of_a_text_leaves_the_last_whole_one() -> None:
    shared = SharedStatus()
    before = Activity("busy", "tiny", "b" * 16, 1)
    shared.write(before)
    assert shared.read() == before
    shared._memory[12:20] = b"{{{{{{{{"
    assert shared.read() == before


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        SharedStatus().write(Activity(preset="x" * 5000))


def test_each_job_of_a_child_has_a_row_of_its_own() -> None:
    shared = SharedStatus(3)
    assert (shared.held(), shared.summary()) == ((), Activity())
    loading, busy = Activity("loading", job="b" * 16), Activity("busy", "tiny", "c" * 16, 5, 2)
    shared.row(1).write(loading)
    shared.row(2).write(busy)
    shared.row(2).drain()
    assert shared.read() == Activity()
    assert shared.held() == (loading, busy)
    assert shared.summary() == busy
    assert shared.is_draining
