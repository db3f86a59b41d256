"""The lease of an attempt is kept while it renders, and what is asked of it is heard."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from farm.commands import Farm
from rushes_queue.jobs.record import JobProgress, JobRecord
from rushes_queue.settings.model import Deadlines
from rushes_queue.worker.lease_renewer import LeaseRenewer
from rushes_queue.worker.phases import PhaseClock, PhaseTimes


def keep(
    farm: Farm,
    record: JobRecord,
    lease_seconds: float = 1.0,
    is_draining: Callable[[], bool] = lambda: False,
    deadlines: Deadlines | None = None,
) -> LeaseRenewer:
    clock = PhaseClock(deadlines or Deadlines(), PhaseTimes(), longest_step=lease_seconds)
    return LeaseRenewer(
        *(farm.store, record.id, record.fence),
        lease_seconds=lease_seconds,
        clock=clock,
        is_draining=is_draining,
    )


def claimed(farm: Farm) -> JobRecord:
    farm.submit()
    return farm.claim()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60  # the machine may be busy
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_lease_outlives_its_time_while_the_keeper_runs(farm: Farm) -> None:
    record = claimed(farm)
    with keep(farm, record) as renewer:
        renewer.move(JobProgress(3, 13))
        time.sleep(1.5)
        assert farm.store.leases.reap().lost == ()
    assert farm.store.get(record.id).chunk == 3
    time.sleep(1.2)
    assert [job for job, _ in farm.store.leases.reap().lost] == [record.id]


@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_what_a_user_asks_for_is_heard(farm: Farm, wish: str) -> None:
    record = claimed(farm)
    with keep(farm, record) as renewer:
        assert renewer.wish is None
        getattr(farm.store.changes, wish)(record.id)
        wait_for(lambda: renewer.wish == wish)


def test_a_pause_that_is_taken_back_is_forgotten(farm: Farm) -> None:
    record = claimed(farm)
    with keep(farm, record) as renewer:
        farm.store.changes.pause(record.id)
        wait_for(lambda: renewer.wish == "pause")
        farm.store.changes.resume(record.id)
        wait_for(lambda: renewer.wish is None)


def test_a_lost_lease_is_for_good(farm: Farm) -> None:
    record = claimed(farm)
    farm.store.ends.release(record.id, record.fence, "test")
    renewer = keep(farm, record)
    assert renewer.renew() == "fenced"
    farm.claim()
    assert renewer.renew() == "fenced"


def test_a_worker_that_drains_hands_back_unless_it_has_lost_the_job(farm: Farm) -> None:
    record = claimed(farm)
    renewer = keep(farm, record, is_draining=lambda: True)
    wishes = [renewer.wish]
    farm.store.ends.release(record.id, record.fence, "test")
    renewer.renew()
    wishes.append(renewer.wish)
    assert wishes == ["drain", "fenced"]


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_render_that_is_stuck_lets_its_lease_run_out(farm: Farm, chunks: int) -> None:
    record = claimed(farm)
    deadlines = Deadlines(input_seconds=0.3, first_chunk_seconds=0.3, chunk_seconds=0.3)
    with keep(farm, record, deadlines=deadlines) as renewer:
        for chunk in range(chunks):
            renewer.move(JobProgress(chunk, 4 * chunk))
        wait_for(lambda: bool(farm.store.leases.reap().lost))
