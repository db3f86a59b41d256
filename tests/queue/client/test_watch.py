"""Jobs looked at until they have ended."""

from __future__ import annotations

from farm.commands import Farm
from farm.servers import RunningServer
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.client.watch import ChangedRecords, Watch


def test_it_ends_with_the_last_job(farm: Farm) -> None:
    first, second = farm.done(), farm.submit(1)
    watch = Watch(farm.store, [first, second])
    looks = watch.looks()
    assert [record.state for record in next(looks).records] == ["done", "queued"]
    assert watch.left == [second]
    farm.publish(farm.claim())
    assert [record.state for record in next(looks).records] == ["done", "done"]
    assert list(looks) == []
    assert (watch.left, watch.lost, watch.states) == ([], [], {"done"})
    assert not watch.is_timed_out


def test_a_job_without_a_record_is_lost_after_a_while(farm: Farm) -> None:
    watch = Watch(farm.store, ["0" * 16], gone_seconds=0)
    assert [look.records for look in watch.looks()] == [()]
    assert watch.lost == ["0" * 16]


def test_a_broker_that_goes_away_is_waited_for(own_server: RunningServer) -> None:
    store = JobRecords(own_server.client())
    watch = Watch(store, ["0" * 16], timeout_seconds=1, gone_seconds=0)
    own_server.kill()
    assert {look.is_there for look in watch.looks()} == {False}
    assert watch.is_timed_out
    assert watch.lost == []


def test_only_what_has_changed_is_passed_on(farm: Farm) -> None:
    changed, job = ChangedRecords(), farm.submit()
    first = farm.store.get(job)
    assert list(changed.of([first])) == [first]
    assert list(changed.of([first])) == []
    farm.progress(farm.claim(), 2)
    assert len(list(changed.of([farm.store.get(job)]))) == 1
