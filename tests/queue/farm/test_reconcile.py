"""A broker that lost everything gets every job back from the storage."""

from __future__ import annotations

from typing import Any

import pytest

from farm.commands import Farm
from farm.s3_server import LONG_PLACES
from rushes_queue.archive.job_files import document_key, read_state, save_state, state_key
from rushes_queue.farm.reconcile import reconcile
from rushes_queue.jobs.record import FailureKind, JobRecord
from rushes_queue.jobs.states import State

pytestmark = pytest.mark.parametrize("farm", LONG_PLACES, indirect=True)


@pytest.fixture
def every_state(farm: Farm) -> dict[str, str]:
    """A job in each state, by the state's name."""
    store = farm.store
    jobs = {"done": farm.done(0)}
    for take, state in enumerate(("failed", "quarantined", "cancelled", "running"), 1):
        job = jobs[state] = farm.submit(take, tags=("a",))
        record = farm.claim(f"w{take}")
        farm.progress(record, 3)
        if state == "failed":
            store.ends.fail(job, record.fence, FailureKind.INPUT, "no video")
        elif state == "quarantined":
            store.ends.quarantine(job, record.fence, FailureKind.DOCUMENT, "odd")
        elif state == "cancelled":
            store.changes.cancel(job)
            store.ends.settle(job, record.fence, "cancelled")
    jobs["paused"] = farm.submit(5)
    store.changes.pause(jobs["paused"])
    jobs["queued"] = farm.submit(6, priority="high")
    jobs["waiting"] = farm.submit(7, after=(jobs["running"],))
    for job in jobs.values():
        save_state(store, farm.storage, job)
    return jobs


def lasting(record: JobRecord) -> dict[str, Any]:
    """What of a record must survive."""
    fields = record.to_dict()
    for name in ("lease_until_ms", "updated_ms", "seq"):
        fields.pop(name, None)
    return fields


def test_every_job_comes_back_in_its_state(farm: Farm, every_state: dict[str, str]) -> None:
    before = {job: lasting(farm.store.get(job)) for job in every_state.values()}
    farm.store.client.flushall()
    data = farm.json("reconcile")
    assert len(data["restored"]) == 8
    assert data["errors"] == []
    for job, fields in before.items():
        assert lasting(farm.store.get(job)) == fields


def test_work_goes_on_after_it(farm: Farm, every_state: dict[str, str]) -> None:
    running = farm.store.get(every_state["running"])
    farm.store.client.flushall()
    reconcile(farm.store, farm.storage)
    assert farm.claim().id == every_state["queued"]
    assert farm.store.leases.claim(["tiny.any.normal"], "w", ttl_ms=1000) is None  # the rest waits
    assert farm.store.leases.renew(running.id, running.fence, 1000) == "ok"
    farm.publish(running)
    assert farm.claim().id == every_state["waiting"]


def test_a_running_job_whose_worker_is_gone_is_taken_up_again(
    farm: Farm, every_state: dict[str, str]
) -> None:
    before = farm.store.get(every_state["running"])
    farm.store.client.flushall()
    reconcile(farm.store, farm.storage, ttl_ms=0)
    assert farm.store.leases.reap().lost == ((before.id, State.QUEUED),)
    again = farm.store.leases.claim(["tiny.any.normal"], "other", ttl_ms=1000)
    assert again is not None
    assert again.id == before.id
    assert again.fence > before.fence


def test_what_the_broker_has_stays_as_it_is(farm: Farm, every_state: dict[str, str]) -> None:
    job = every_state["queued"]
    farm.store.changes.cancel(job)  # and nobody wrote it down
    outcome = reconcile(farm.store, farm.storage)
    assert not outcome.restored
    assert len(outcome.kept) == 8
    assert farm.store.get(job).state is State.CANCELLED


def test_twice_is_as_good_as_once(farm: Farm, every_state: dict[str, str]) -> None:
    farm.store.client.flushall()
    reconcile(farm.store, farm.storage)
    records = {job: farm.store.get(job) for job in every_state.values()}
    assert not reconcile(farm.store, farm.storage).restored
    assert {job: farm.store.get(job) for job in every_state.values()} == records


def test_a_dry_run_changes_nothing(farm: Farm, every_state: dict[str, str]) -> None:
    farm.store.client.flushall()
    result = farm.run("reconcile", "--dry-run")
    assert "8 would be restored" in result.stdout
    assert "2 queued" in result.stdout
    assert farm.store.list() == ()


@pytest.mark.parametrize("damage", [None, b"", b"{}", b"\x00\xff"], ids=str)
def test_a_job_of_which_only_the_document_is_left_begins_anew(
    farm: Farm, damage: bytes | None
) -> None:
    job = farm.submit(tags=("a",), priority="low")
    before = farm.store.get(job)
    if damage is None:
        farm.storage.delete(state_key(job))
    else:
        farm.storage.put_bytes(state_key(job), damage)
    farm.store.client.flushall()
    reconcile(farm.store, farm.storage)
    after = farm.store.get(job)
    assert (after.state, after.tags, after.queue) == (State.QUEUED, ("a",), before.queue)
    assert after.document_sha256 == before.document_sha256
    assert after.created_ms == int(farm.document(job).created_at.timestamp() * 1000)
    assert read_state(farm.storage, job) == after


def test_one_that_cannot_be_read_does_not_hide_the_others(farm: Farm) -> None:
    bad, good = farm.submit(0), farm.submit(1)
    farm.storage.put_bytes(document_key(bad), b"{\x1b")
    farm.storage.delete(state_key(bad))
    farm.store.client.flushall()
    result = farm.run("reconcile")
    assert result.exit_code == 10
    assert f"error: job {bad}: " in result.stderr
    assert result.output.replace("\n", "").isprintable()
    assert farm.store.get(good).state is State.QUEUED


def test_a_record_that_could_not_be_is_refused(farm: Farm) -> None:
    job = farm.submit()
    text = farm.storage.get_bytes(state_key(job)).replace(b'"queued"', b'"running"')
    farm.storage.put_bytes(state_key(job), text)
    farm.store.client.flushall()
    assert job in reconcile(farm.store, farm.storage).faults


def test_jobs_keep_their_order(farm: Farm) -> None:
    jobs = [farm.submit(take) for take in range(4)]
    farm.store.client.flushall()
    reconcile(farm.store, farm.storage)
    found = sorted(jobs, key=lambda job: farm.store.get(job).created_ms)
    assert [farm.claim().id for _ in jobs] == found
