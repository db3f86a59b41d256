"""Jobs that take another way: cancelled, paused, resumed, tried again, made more urgent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from rushes.errors import RushesError
from rushes_queue.archive.job_files import save_state
from rushes_queue.broker.job_changes import JobChanges
from rushes_queue.broker.replies import Bell, Change
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.settings.model import Settings

Act: TypeAlias = Callable[[JobChanges, str], Change]
_STORAGE_PATIENCE_SECONDS = 5.0  # the broker is the truth, and a person waits


def open_links(settings: Settings) -> FarmLinks:
    """Open the ways to a farm for somebody who waits for each answer.

    Raises: ConfigError.
    """
    patience = min(settings.storage_patience_seconds, _STORAGE_PATIENCE_SECONDS)
    return FarmLinks.open(settings.model_copy(update={"storage_patience_seconds": patience}))


def change_jobs(
    links: FarmLinks, jobs: Iterable[str], act: Act
) -> Iterator[tuple[str, Change | RushesError]]:
    """Do one thing to each job, write down the new states, and ring for those that can be claimed.

    Yields what became of each job, or why nothing did: one that is refused does not stop the
    others. After a first state that the storage does not take, no more are written there.
    """
    bells: list[Bell] = []
    is_storage_there = True
    try:
        for job in jobs:
            try:
                change = act(links.store.changes, job)
            except RushesError as error:
                yield job, error
                continue
            if change.is_change and is_storage_there:
                is_storage_there = save_state(links.store, links.storage, job)
            bells += change.bells
            yield job, change
    finally:
        links.ring(bells)
