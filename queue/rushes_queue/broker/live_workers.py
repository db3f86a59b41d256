"""What live workers report about themselves."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from rushes_queue.errors import JobError
from rushes_queue.jobs.queue_names import GpuClass

WorkerStatus = Literal["loading", "idle", "busy", "draining", "unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One worker: a process that owns a GPU; ``preset`` is the pipeline that it holds loaded."""

    name: str
    host: str
    pid: int
    version: str
    max_schema: int
    started_ms: int
    queues: tuple[str, ...] = ()
    gpu: str = ""
    gpu_class: GpuClass = "any"
    status: WorkerStatus = "idle"
    preset: str | None = None
    note: str = ""
    tags: tuple[str, ...] = ()  # of which a job must have one, if there are any

    def to_json(self) -> str:
        """Return the worker as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerInfo:
        """Read what ``to_json`` wrote, maybe in another version.

        Raises: JobError.
        """
        try:
            return _adapter().validate_json(text)
        except ValidationError as error:
            raise JobError(f"a worker says of itself {text[:200]!r}") from error


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A live worker, and the jobs that it holds."""

    info: WorkerInfo
    beat_ms: int
    holds: tuple[str, ...]


@cache
def _adapter() -> TypeAdapter[WorkerInfo]:
    return TypeAdapter(WorkerInfo)
