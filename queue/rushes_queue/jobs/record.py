"""The record of a job as the broker keeps it, typed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from rushes_queue.errors import JobError
from rushes_queue.jobs.queue_names import Priority, split_queue_name
from rushes_queue.jobs.states import State

# Names of fields where records are kept, if they are other names there.
STORED_NAMES = {"infrastructure_failures": "hiccups"}
LATEST_MS = 253_402_300_799_999  # the end of the year 9999, after which dates cannot be shown
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
        except (TypeError, ValueError, KeyError, RecursionError, JobError) as error:
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
    data = _read_object(text)
    return JobFailure(FailureKind(data["kind"]), str(data["message"]), bool(data["retryable"]))


def _read_list(text: str) -> tuple[str, ...]:
    found = json.loads(text)
    if found != {} and not isinstance(found, list):  # Lua writes an empty list as an object
        raise ValueError(f"{text[:40]!r} is not a list")
    return tuple(map(str, found))


def _read_object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text[:40]!r} is not an object")
    return found


def _read_notes(text: str) -> dict[str, str]:
    return {name: str(note) for name, note in _read_object(text).items()}


def _read_flag(text: str) -> bool:
    return text == "1"


def _read_time(text: str) -> int:
    ms = int(text)
    if not 0 <= ms <= LATEST_MS:
        raise ValueError(f"{text[:40]!r} is not a time in milliseconds")
    return ms


def _read_fps(text: str) -> float:
    fps = float(text)
    if not 0 <= fps < math.inf:
        raise ValueError(f"{text[:40]!r} is not a speed")
    return fps


def _read_queue(text: str) -> str:
    split_queue_name(text)
    return text


_TEXTS = ("name", "preset", "priority", "version", "document", "document_sha256", "owner", "prompt")
_INTEGERS = (
    *("schema", "seed", "take", "num_chunks", "num_frames", "chunk", "frame", "fence"),
    *("oldest_fence", "attempts", "losses", "losses_in_place", "loss_chunk", "failures", "hiccups"),
)
_TIMES = (
    *("created_ms", "updated_ms", "started_ms", "finished_ms", "lease_until_ms", "not_before_ms"),
)
_JSON: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("tags", "notify", "waiting_for"), _read_list),
    "error": _read_failure,
    "result": _read_object,
    "notes": _read_notes,
}
_READERS: dict[str, Callable[[str], Any]] = {
    "state": State,
    "queue": _read_queue,
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(_TIMES, _read_time),
    **dict.fromkeys(("cancel", "pause"), _read_flag),
    "fps": _read_fps,
    **_JSON,
}


def stored_kinds() -> dict[str, tuple[str, ...]]:
    """Return the names of stored fields by what their texts are, for the broker's scripts."""
    required = tuple(name for name, default in _defaults().items() if default is MISSING)
    return {
        "REQUIRED": tuple(name for name in required if name != "notes"),
        "INTEGERS": (*_INTEGERS, "first_chunk", "rung_ms"),  # these two only the scripts read
        "TIMES": _TIMES,
        "JSON_FIELDS": tuple(_JSON),
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
