"""Events that are kept, and events that come."""

from __future__ import annotations

from farm.commands import Farm
from rushes_queue.client.event_log import follow_events, kept_events


def test_following_goes_on_where_reading_ended(farm: Farm) -> None:
    job = farm.submit()
    record = farm.claim()
    before = list(kept_events(farm.store, job))
    assert before
    farm.publish(record)
    after = [event for _, event in follow_events(farm.store, {job: before[-1].id})]
    assert after
    assert [*before, *after] == list(kept_events(farm.store, job))
    assert [event for _, event in follow_events(farm.store, {job: "0"})] == [*before, *after]
