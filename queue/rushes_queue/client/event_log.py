"""What happened to jobs: the events that are kept, and those that come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from rushes_queue.broker.events import JobEvent
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.states import FINISHED

_PAGE = 1000  # events
_BLOCK_MS = 1000
_SECONDS_BETWEEN_LOOKS = 0.5


def kept_events(store: JobRecords, job: str, after: str = "0") -> Iterator[JobEvent]:
    """Yield the events of a job that are kept, the latest thousand or so; those after an id.

    Raises: BrokerError, UnknownJobError.
    """
    place = after
    while page := store.events.read(job, place, limit=_PAGE):
        yield from page
        place = page[-1].id


def follow_events(
    store: JobRecords,
    places: Mapping[str, str],
    on_away: Callable[[BrokerError], None] = lambda error: None,
) -> Iterator[tuple[str, JobEvent]]:
    """Yield new events until all jobs have ended; a broker that goes away is waited for.

    ``places`` are the ids of the last events known of each job, ``0`` for none; ``on_away`` is
    called each time that the broker does not answer.
    """
    left = dict(places)
    while left:
        try:
            records = store.get_many(left)  # first: what ends a job is written before its state
            for job in tuple(left):
                block_ms = _BLOCK_MS if len(left) == 1 else 0
                is_over = job not in records or records[job].state in FINISHED
                for event in store.events.read(
                    job, left[job], block_ms=0 if is_over else block_ms, limit=_PAGE
                ):
                    left[job] = event.id
                    yield job, event
                if is_over:
                    del left[job]
        except BrokerError as error:
            on_away(error)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        if len(left) > 1:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
