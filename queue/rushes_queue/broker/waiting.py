"""Why a queued job waits, as far as the live workers tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rushes.errors import RushesError
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.jobs.queue_names import split_queue_name
from rushes_queue.jobs.record import WAITS, JobRecord
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords


def why_waiting(record: JobRecord, workers: Sequence[LiveWorker]) -> str | None:
    """Return why none of these workers can take a job, or None if one can, or it is not queued."""
    if record.state is not State.QUEUED or record.waiting_for:
        return None
    preset, gpu_class, _ = split_queue_name(record.queue)
    if not workers:
        return "no worker lives"
    able = [each for each in workers if _serves(each, preset)]
    if not able:
        return f"no live worker serves the preset {preset}"
    able = [each for each in able if record.queue in each.info.queues]
    if not able:
        return f"no live worker that serves {preset} has a GPU of class {gpu_class}"
    able = [each for each in able if not each.info.tags or set(each.info.tags) & set(record.tags)]
    if not able:
        return f"live workers that serve {preset} take only jobs with other tags"
    able = [each for each in able if each.info.max_schema >= record.schema]
    if not able:
        return f"live workers do not read documents of version {record.schema}; update them"
    able = [each for each in able if each.info.status not in ("unhealthy", "draining")]
    if not able:
        return "the workers that could take it rest or drain; see rushes workers"
    return None


def with_reasons(store: JobRecords, records: Iterable[JobRecord]) -> list[JobRecord]:
    """Return the records, with a note on those that no live worker can take."""
    records = list(records)
    if not any(record.state is State.QUEUED for record in records):
        return records
    try:
        workers = store.workers.live()
    except RushesError:
        return records
    reasons = [why_waiting(record, workers) for record in records]
    return [
        record if reason is None else record.with_note(WAITS, reason)
        for record, reason in zip(records, reasons, strict=True)
    ]


def _serves(worker: LiveWorker, preset: str) -> bool:
    return any(queue.startswith(f"{preset}.") for queue in worker.info.queues)
