"""Workers and queues: whether somebody serves what waits."""

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

_OVERDUE_MS = 60_000  # the sweep comes every few seconds while a worker lives


def check_workers(loaded: LoadedSettings) -> Iterator[Finding]:
    """Look at who lives, and what waits for whom."""
    settings = loaded.settings
    store = JobRecords.open(settings.broker_url.get_secret_value(), settings.key_prefix)
    try:
        workers = store.workers.live()
    except BrokerError:
        return  # that is a finding about the broker
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
            f"{len(notices)} things from elsewhere could not be read; the latest: {text}",
            "find out who sends them; they were set aside and do no harm",
        )


def _judge(worker: LiveWorker) -> Finding:
    info = worker.info
    name = f"worker {info.name}"
    told = f"{info.status}, {info.gpu or 'cpu'}, rushes {info.version}"
    if info.status == "unhealthy":
        return fault(name, f"{told}: {info.note}", "look at its log, and at the GPU")
    if info.max_schema < SCHEMA_VERSION:
        return warning(name, f"{told}: leaves jobs of this version to others", "update it")
    if info.version != rushes.__version__:
        return warning(name, f"{told}; this is {rushes.__version__}", "update one of them")
    return ok(name, told)


def _unserved(store: JobRecords, depths: dict[str, int]) -> Iterator[Finding]:
    """Say of each queue how many jobs wait, and of those that no worker can take why."""
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
    """Find running jobs whose worker is gone and that nobody took back."""
    latest = store.now_ms() - _OVERDUE_MS
    overdue = [
        record.id
        for record in store.list(state=State.RUNNING)
        if record.lease_until_ms is not None and record.lease_until_ms < latest
    ]
    if overdue:
        yield fault(
            "leases",
            f"the worker of {', '.join(overdue[:5])} is gone, and nobody takes them over",
            "start a worker: each one sweeps",
        )


def _waiting_in_vain(store: JobRecords) -> Iterator[Finding]:
    """Find jobs that wait for others which will not be done by themselves."""
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
