"""What the storage alone says of jobs."""

from __future__ import annotations

import json

from farm.commands import Farm
from rushes_queue.archive.stored_jobs import StoredJobs
from rushes_queue.jobs.states import State


def test_jobs_are_as_they_were_written_down_the_newest_first(farm: Farm) -> None:
    first, second = farm.done(0), farm.submit(1)
    farm.store.client.flushall()
    jobs = StoredJobs(farm.storage)
    assert [record.id for record in jobs.list()] == [second, first]
    assert [record.id for record in jobs.list(state=State.DONE)] == [first]
    assert jobs.find(first[:5]) == first


def test_what_is_published_is_done_even_if_nobody_wrote_it_down(farm: Farm) -> None:
    job = farm.submit()
    result = {"output": "results/a.mp4"}
    farm.storage.put_bytes(f"jobs/{job}/result.json", json.dumps(result).encode())
    record = StoredJobs(farm.storage).get_many([job])[job]
    assert (record.state, record.result) == (State.DONE, result)


def test_what_cannot_be_read_is_left_out(farm: Farm) -> None:
    job = farm.submit()
    farm.storage.put_bytes(f"jobs/{job}/state.json", b"{")
    farm.storage.put_bytes(f"jobs/{job}/job.json", b"{")
    assert StoredJobs(farm.storage).get_many([job, "0" * 16]) == {}
