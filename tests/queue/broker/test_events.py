"""Events of a job: bounded when they are written, read back as they are, from a place on."""

from __future__ import annotations

import pytest

from rushes_queue.broker.events import (
    LONGEST_VALUE,
    MOST_FIELDS,
    JobEvent,
    check_place,
    to_entry,
    to_event,
    to_events,
)
from rushes_queue.errors import JobError


def test_an_event_comes_back_as_it_was_written() -> None:
    entry = to_entry("log", {"level": "info", "attempt": 3})
    assert entry == {"kind": "log", "level": "info", "attempt": "3"}
    assert to_event(("5-1", entry)) == JobEvent("5-1", "log", {"level": "info", "attempt": "3"})


def test_an_entry_has_a_bounded_size() -> None:
    entry = to_entry("log", {f"{number:03}" * 100: "x" * 10_000 for number in range(100)})
    assert len(entry) == MOST_FIELDS + 1
    assert max(map(len, entry)) == 100
    assert {len(text) for name, text in entry.items() if name != "kind"} == {LONGEST_VALUE}


def test_a_field_cannot_change_the_kind_of_what_was_read() -> None:
    assert to_event(("5-1", {"a": "b"})).kind == ""
    assert to_event(("5-1", {"kind": "state"})).fields == {}


@pytest.mark.parametrize(("place", "ms"), [("1767312000123-0", 1767312000123), ("7", 7)])
def test_the_place_says_when_it_was_written(place: str, ms: int) -> None:
    assert JobEvent(place, "log", {}).ms == ms


@pytest.mark.parametrize("place", ["0", "$", "1767312000123-0", "9" * 20, "1-" + "9" * 20])
def test_a_place_to_read_on_from(place: str) -> None:
    assert check_place(place) == place


@pytest.mark.parametrize("place", ["", "-", "1-", "-1", "$1", "now", "1-2-3", "1\n", "9" * 21])
def test_what_is_not_a_place_is_refused(place: str) -> None:
    with pytest.raises(JobError, match="is not a place in the events; write one that was read"):
        check_place(place)


def test_an_answer_about_one_stream_has_its_events_in_order() -> None:
    reply = [["events", [("1-0", {"kind": "a"}), ("2-0", {"kind": "b"})]]]
    assert [event.kind for event in to_events(reply)] == ["a", "b"]
    assert to_events([]) == to_events(None) == ()
