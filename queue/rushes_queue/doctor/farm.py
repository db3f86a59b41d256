"""Workers and queues: whether the jobs that wait will be rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import rushes
from rushes.text import printable
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.broker.waiting import with_reasons
from rushes_queue.doctor.finding import Check, Finding, fault, ok, warning
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.document import SCHEMA_VERSION
from rushes_queue.jobs.queue_names import split_queue_name
from rushes_queue.jobs.record import WAITS
from rushes_queue.jobs.states import State
from rushes_queue.settings.loaded import LoadedSettings

_OVERDUE_MS = 60_000  # a sweep runs every few seconds while a worker is alive


def check_workers(loaded: LoadedSettings) -> Iterator[Finding]:
    """Check the live workers, and what jobs wait for."""
    settings = loaded.settings
    store = JobRecords.open(settings.broker_url.get_secret_value(), settings.key_prefix)
    try:
        workers = store.workers.live()
    except BrokerError:
        return  # the broker's check reports it
    depths = store.depths()
    if not workers and not depths:
        yield warning("workers", "none", "rushes up, or rushes worker on the machines with GPUs")
    for worker in workers:
        yield _judge(worker)
    yield from _unserved(store, depths)
    yield from _overdue(store)
    yield from _waiting_in_vain(store)
    notices = store.events.notices()
    if notices:
        text = printable(str(notices[0].fields.get("message", "")))
        yield warning(
            "notices",
            f"{len(notices)} messages or documents could not be read; the latest: {text}",
            "find out who sends them; they were skipped and do no harm",
        )


def _judge(worker: LiveWorker) -> Finding:
    info = worker.info
    name = f"worker {info.name}"
    detail = f"{info.status}, {info.gpu or 'cpu'}, rushes {info.version}"
    if info.status == "unhealthy":
        return fault(name, f"{detail}: {info.note}", "look at its log, and at the GPU")
    if info.max_schema < SCHEMA_VERSION:
        return warning(name, f"{detail}: leaves jobs of this version to others", "update it")
    if info.version != rushes.__version__:
        return warning(name, f"{detail}; this is {rushes.__version__}", "update one of them")
    return ok(name, detail)


def _unserved(store: JobRecords, depths: dict[str, int]) -> Iterator[Finding]:
    """Report how many jobs wait in each queue, and why no worker can take them."""
    waiting = with_reasons(store, store.list(state=State.QUEUED))
    stuck = Counter((each.queue, each.notes[WAITS]) for each in waiting if WAITS in each.notes)
    for queue in sorted(depths.keys() - {queue for queue, _ in stuck}):
        yield ok(f"queue {queue}", f"{depths[queue]} jobs wait")
    for (queue, reason), number in sorted(stuck.items()):
        preset = split_queue_name(queue)[0]
        yield fault(
            f"queue {queue}",
            f"{number} jobs wait: {reason}",
            f"start a worker that can: rushes worker --models {preset}; or cancel them",
        )


def _overdue(store: JobRecords) -> Iterator[Finding]:
    """Find running jobs whose lease expired and that no sweep has ended."""
    latest = store.now_ms() - _OVERDUE_MS
    overdue = [
        record.id
        for record in store.list(state=State.RUNNING)
        if record.lease_until_ms is not None and record.lease_until_ms < latest
    ]
    if overdue:
        yield fault(
            "leases",
            f"the worker of {', '.join(overdue[:5])} is gone, and no worker sweeps",
            "start a worker: every worker sweeps",
        )


def _waiting_in_vain(store: JobRecords) -> Iterator[Finding]:
    """Find jobs that wait for jobs which will not get done."""
    waiting = [record for record in store.list(state=State.QUEUED) if record.waiting_for]
    others = store.get_many({job for record in waiting for job in record.waiting_for})
    for record in waiting:
        for job in record.waiting_for:
            if job not in others:
                yield warning(
                    f"job {record.id}",
                    f"waits for job {job}, which is unknown",
                    f"rushes reconcile, if the broker lost it; else rushes cancel {record.id}",
                )


CHECKS: tuple[Check, ...] = (check_workers,)
