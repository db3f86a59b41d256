"""The live workers, and what they report about themselves."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from rushes.text import printable, shortened
from rushes_queue.broker.connection import broker_errors
from rushes_queue.broker.replies import Rest
from rushes_queue.broker.scripts import Scripts
from rushes_queue.errors import JobError
from rushes_queue.jobs.queue_names import GpuClass

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

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
    heartbeat_ms: int
    holds: tuple[str, ...]


class LiveWorkers:
    """Who is alive; a worker that sends no heartbeat in time is taken for dead.

    Every method raises BrokerError when the broker cannot be reached.
    """

    def __init__(self, client: Redis, scripts: Scripts) -> None:
        self._client, self._scripts = client, scripts

    def heartbeat(self, worker: WorkerInfo, *, ttl_ms: int, place: str | None = None) -> Rest:
        """Report that a worker is alive; return whether its place has to rest."""
        what = (worker.name, worker.to_json(), ttl_ms, place or worker.name)
        num_lost, rest_ms = self._scripts.run("heartbeat", *what)
        return Rest(num_lost, rest_ms / 1000)

    def leave(self, worker: str) -> None:
        """Report that a worker has ended."""
        prefix = self._scripts.prefix
        with broker_errors(self._client):
            self._client.delete(f"{prefix}worker:{worker}")
        self._scripts.ask(lambda: self._client.zrem(f"{prefix}live_workers", worker))

    def live(self) -> tuple[LiveWorker, ...]:
        """Return the live workers by name, with the jobs they hold; unreadable ones are skipped."""
        workers = []
        for name, info, heartbeat_ms, *holds in self._scripts.run("workers"):
            try:
                found = LiveWorker(WorkerInfo.from_json(info), int(heartbeat_ms or 0), tuple(holds))
            except (JobError, ValueError) as error:
                logger.warning("worker %s: %s", printable(name), shortened(printable(str(error))))
            else:
                workers.append(found)
        return tuple(sorted(workers, key=lambda worker: worker.info.name))


@cache
def _adapter() -> TypeAdapter[WorkerInfo]:
    return TypeAdapter(WorkerInfo)
