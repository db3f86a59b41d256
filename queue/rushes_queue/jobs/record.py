"""The record of a job as the broker keeps it, typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from rushes_queue.errors import JobError
from rushes_queue.jobs.queue_names import Priority
from rushes_queue.jobs.states import State

# Names of fields where records are kept, if they are other names there.
STORED_NAMES = {"infrastructure_failures": "hiccups"}
WAITS = "waits"  # name of the note that says why no worker takes a job; made when it is shown


class FailureKind(StrEnum):
    """The cause of a failure, which decides whether a retry can help.

    ``input``, ``document`` and ``bug`` are final; ``resource`` is a full disk or memory;
    ``infrastructure`` is broker, storage or GPU; ``lost`` is a worker that is gone; ``cause`` is a
    job that this one depended on and that failed.
    """

    INPUT = "input"
    DOCUMENT = "document"
    BUG = "bug"
    RESOURCE = "resource"
    INFRASTRUCTURE = "infrastructure"
    LOST = "lost"
    CAUSE = "cause"


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why an attempt or a job failed, in one line."""

    kind: FailureKind
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress of an attempt; the first report says where it starts.

    ``chunk`` and ``frame`` count what is made, the frames of earlier attempts included.
    """

    chunk: int
    frame: int
    fps: float = 0.0
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job; the last three fields are ``None`` while it runs."""

    number: int
    fence: int
    worker: str
    host: str
    gpu: str
    started_ms: int
    first_chunk: int = 0
    last_chunk: int | None = None
    ended_ms: int | None = None
    reason: str | None = None

    @classmethod
    def from_json(cls, text: str) -> Attempt:
        """Read what the scripts wrote, maybe those of another version."""
        data = json.loads(text)
        return cls(**{each.name: data[each.name] for each in fields(cls) if each.name in data})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as it stands.

    ``losses_in_place`` counts attempts that were lost one after the other at chunk ``loss_chunk``;
    ``failures`` those for want of resources. Save points of attempts below ``oldest_fence`` do not
    count. ``cancel`` and ``pause`` are requests that the
    worker has not answered yet. ``notify`` are the addresses to call at the end, None for those of
    the document.
    Units: ``_ms`` is the broker's clock, in milliseconds since 1970.
    """

    id: str
    state: State
    name: str
    preset: str
    queue: str
    priority: Priority
    tags: tuple[str, ...] = ()
    notify: tuple[str, ...] | None = None
    schema: int
    version: str
    seed: int
    take: int = 0
    num_chunks: int
    num_frames: int
    document: str
    document_sha256: str
    created_ms: int
    updated_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    fence: int = 0
    oldest_fence: int = 0
    attempts: int = 0
    losses: int = 0
    losses_in_place: int = 0
    loss_chunk: int | None = None
    failures: int = 0
    infrastructure_failures: int = 0
    owner: str | None = None
    lease_until_ms: int | None = None
    chunk: int = 0
    frame: int = 0
    fps: float = 0.0
    prompt: str = ""
    not_before_ms: int | None = None
    waiting_for: tuple[str, ...] = ()
    cancel: bool = False
    pause: bool = False
    error: JobFailure | None = None
    result: dict[str, Any] | None = field(default=None, hash=False)
    notes: dict[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_fields(cls, job: str, texts: Mapping[str, str]) -> Self:
        """Read the fields of the broker's hash; those that are absent have their defaults.

        Raises: JobError when this is not a record.
        """
        try:
            values = {
                _NAMES.get(stored, stored): _READERS[stored](text)
                for stored, text in texts.items()
                if stored in _READERS
            }
            return cls(id=job, **values)
        except (TypeError, ValueError, KeyError) as error:
            raise JobError(f"the record of job {job} cannot be read: {error}", job=job) from error

    def with_note(self, name: str, text: str) -> Self:
        """Return the record with one more note; for thousands of records ``replace`` is slow."""
        names = self.__slots__
        values: dict[str, Any] = dict(zip(names, attrgetter(*names)(self), strict=True))
        return type(self)(**{**values, "notes": {**self.notes, name: text}})

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the broker's hash, without those that have their defaults."""
        texts = {}
        for name, default in _defaults().items():
            value = getattr(self, name)
            if value != default and not (default is MISSING and value == {}):
                texts[STORED_NAMES.get(name, name)] = _write(value)
        return texts

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-safe data from which ``from_dict`` builds an equal record."""
        data = asdict(self) | {
            "tags": list(self.tags),
            "notify": None if self.notify is None else list(self.notify),
            "waiting_for": list(self.waiting_for),
        }
        return {STORED_NAMES.get(name, name): value for name, value in data.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobRecord:
        """Build the record that ``to_dict`` wrote; the data is untrusted.

        Raises: JobError when this is not a record.
        """
        if not isinstance(data, Mapping):
            raise JobError("this is not a record of a job: it is not an object")
        try:
            named = {_NAMES.get(stored, stored): value for stored, value in data.items()}
            return _adapter().validate_python(named)
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, fault["loc"]))
            raise JobError(f"this is not a record of a job: {place}: {fault['msg']}") from error


_NAMES = {stored: name for name, stored in STORED_NAMES.items()}


@cache
def _defaults() -> dict[str, Any]:
    """Return what each field that is stored has by default; MISSING for those that have none."""
    return {each.name: each.default for each in fields(JobRecord) if each.name != "id"}


@cache
def _adapter() -> TypeAdapter[JobRecord]:
    return TypeAdapter(JobRecord)


def _read_failure(text: str) -> JobFailure:
    data = json.loads(text)
    return JobFailure(FailureKind(data["kind"]), str(data["message"]), bool(data["retryable"]))


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(map(str, json.loads(text)))


def _read_flag(text: str) -> bool:
    return text == "1"


_READERS: dict[str, Any] = {
    "state": State,
    **dict.fromkeys(
        ("name", "preset", "queue", "priority", "version", "document", "document_sha256"), str
    ),
    **dict.fromkeys(("owner", "prompt"), str),
    **dict.fromkeys(("schema", "seed", "take", "num_chunks", "num_frames", "chunk", "frame"), int),
    **dict.fromkeys(("created_ms", "updated_ms", "started_ms", "finished_ms"), int),
    **dict.fromkeys(("lease_until_ms", "not_before_ms", "fence", "oldest_fence"), int),
    **dict.fromkeys(("attempts", "losses", "losses_in_place", "loss_chunk"), int),
    **dict.fromkeys(("failures", "hiccups"), int),
    "fps": float,
    "tags": _read_list,
    "notify": _read_list,
    "waiting_for": _read_list,
    "cancel": _read_flag,
    "pause": _read_flag,
    "error": _read_failure,
    "result": json.loads,
    "notes": json.loads,
}


def _write(value: Any) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case int() | float():
            return repr(value)
        case str():
            return str(value)
        case JobFailure():
            return json.dumps(asdict(value))
    return json.dumps(value)
