"""The sweep: ends attempts whose lease has expired, and rings again for jobs that still wait.

It also notifies of jobs that were cancelled, or failed, while they waited. Every worker sweeps, one
at a time, so nothing depends on one message or one machine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import Thread

from rushes.errors import RushesError
from rushes_queue.archive.job_files import save_state
from rushes_queue.doorbell.bells import BELLS
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.states import FINISHED, State

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_SWEEPS = 5.0
_RING_AFTER_MS = 10_000


def sweep(links: FarmLinks, *, worker: str) -> bool:
    """Sweep, unless another worker did so just now; return whether it was done.

    Raises: BrokerError.
    """
    store = links.store
    if not store.leases.begin_sweep(worker, pause_ms=round(SECONDS_BETWEEN_SWEEPS * 900)):
        return False
    reaped = store.leases.reap(
        max_losses=links.settings.retries.max_losses,
        max_in_a_row=links.settings.retries.max_losses_in_a_row,
        ring_after_ms=_RING_AFTER_MS,
        bell_lists=f"{store.prefix}{BELLS}",
    )
    links.ring(reaped.bells)
    store.repair_some()
    for job, state in reaped.lost:
        logger.warning("job %s: its worker did not renew the lease, it is %s now", job, state)
        after_loss(links, job, state)
    if reaped.unannounced:  # in a thread: notifications may be slow, and the sweep must go on
        Thread(
            target=_tell_and_save, args=(links, reaped.unannounced), name="tell", daemon=True
        ).start()
    return True


def after_loss(links: FarmLinks, job: str, state: State) -> None:
    """Save the state of a job whose worker was lost, and notify if that was its end."""
    save_state(links.store, links.storage, job)
    if state in FINISHED:
        _tell(links, [job])


def _tell_and_save(links: FarmLinks, jobs: Iterable[str]) -> None:
    """Save and notify for jobs that ended without a worker."""
    for job in jobs:
        save_state(links.store, links.storage, job)
        _tell(links, [job])


def _tell(links: FarmLinks, jobs: Iterable[str]) -> None:
    for job in jobs:
        try:
            faults = links.announce_end(job)
        except RushesError as error:
            faults = (str(error),)
        for fault in faults:
            logger.warning("job %s: %s", job, fault)
