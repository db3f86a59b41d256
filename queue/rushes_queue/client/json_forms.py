"""What a farm answers as JSON: the same for commands and for programs.

Fields are only added. Several answers make one JSON object together with ``schema_version``
(``jobs/public_json``).
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from rushes.errors import RushesError
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.broker.replies import Change
from rushes_queue.client.answers import FarmStats, FetchedJob, JobLine, JobStatus, Submitted
from rushes_queue.jobs import public_json
from rushes_queue.jobs.public_json import iso_time
from rushes_queue.jobs.record import Attempt, JobRecord


@singledispatch
def to_json(answer: Any) -> dict[str, Any]:
    """Return an answer of ``Farm`` as the command line prints it with ``--json``.

    Raises: TypeError for anything else.
    """
    raise TypeError(f"{type(answer).__name__} is not an answer of a farm")


@to_json.register
def _(record: JobRecord) -> dict[str, Any]:
    return public_json.to_json(record)


@to_json.register
def _(status: JobStatus) -> dict[str, Any]:
    attempts = [to_json(attempt) for attempt in status.attempts]
    return public_json.to_json(status.record) | {"attempt_list": attempts}


@to_json.register
def _(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "host": attempt.host,
        "gpu": attempt.gpu,
        "started_at": iso_time(attempt.started_ms),
        "ended_at": iso_time(attempt.ended_ms),
        "first_chunk": attempt.first_chunk,
        "last_chunk": attempt.last_chunk,
        "reason": attempt.reason,
    }


@to_json.register
def _(submitted: Submitted) -> dict[str, Any]:
    return {
        "id": submitted.id,
        "timeline": str(submitted.timeline),
        "seed": submitted.seed,
        "take": submitted.take,
        "state": submitted.state,
        "new": submitted.is_new,
    }


@to_json.register
def _(change: Change) -> dict[str, Any]:
    return {
        "id": change.job,
        "changed": change.is_change,
        "before": change.before,
        "after": change.after,
    }


@to_json.register
def _(line: JobLine) -> dict[str, Any]:
    event = line.event
    return {
        "job": line.job,
        "time": iso_time(event.ms),
        "kind": event.kind,
        "fields": event.fields,
    }


@to_json.register
def _(fetched: FetchedJob) -> dict[str, Any]:
    return {
        "id": fetched.job,
        "output": str(fetched.output),
        "files": list(map(str, fetched.files)),
        "fetched": fetched.is_new,
    }


@to_json.register
def _(worker: LiveWorker) -> dict[str, Any]:
    info = worker.info
    return {
        "name": info.name,
        "host": info.host,
        "pid": info.pid,
        "status": info.status,
        "gpu": info.gpu,
        "gpu_class": info.gpu_class,
        "preset": info.preset,
        "queues": list(info.queues),
        "holds": list(worker.holds),
        "version": info.version,
        "max_schema": info.max_schema,
        "started_at": iso_time(info.started_ms),
        "heard_at": iso_time(worker.heartbeat_ms),
        "note": info.note,
    }


@to_json.register
def _(stats: FarmStats) -> dict[str, Any]:
    census = stats.census
    return {
        "states": {str(state): number for state, number in census.states.items()},
        "queues": dict(census.depths),
        "num_aside": census.num_parked,
        "oldest_waiting_seconds": census.waiting_seconds,
        "workers": dict(stats.workers),
        "fps": census.fps,
        "window_seconds": census.window_seconds,
        "jobs_done": census.num_done,
        "frames_done": census.num_frames,
    }


@to_json.register
def _(fault: RushesError) -> dict[str, Any]:
    return {"message": str(fault), "exit_code": fault.exit_code}
