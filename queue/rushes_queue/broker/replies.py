"""The answers of the store to changes of a job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rushes_queue.jobs.states import State


@dataclass(frozen=True, slots=True)
class Bell:
    """A doorbell to ring: this queue has a job to claim."""

    job: str
    queue: str


@dataclass(frozen=True, slots=True)
class Change:
    """The states of a job before and after a change.

    ``before`` is ``None`` for a new job, ``after`` for a forgotten one. Without ``is_change`` there
    was nothing to change. ``bells`` are for the job itself and those that waited for it.
    """

    job: str
    before: State | None
    after: State | None
    is_change: bool
    bells: tuple[Bell, ...] = ()


class RenewAnswer(StrEnum):
    """What an attempt is asked to do when it renews its lease.

    ``cancel`` and ``pause``: stop at the next chunk and settle; the lease is renewed. ``fenced``:
    another attempt may hold the job, so nothing may be published. ``unknown``: the broker has lost
    the record; the job may continue, and be restored.
    """

    OK = "ok"
    CANCEL = "cancel"
    PAUSE = "pause"
    FENCED = "fenced"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rest:
    """How many jobs in a row a worker's place has lost, and for how long it gets no more."""

    num_lost: int
    seconds: float

    @property
    def is_over(self) -> bool:
        """Whether it may claim."""
        return self.seconds <= 0


@dataclass(frozen=True, slots=True)
class Reaped:
    """The findings of a sweep: jobs whose lease has expired with their new state, bells to ring.

    ``unannounced`` are jobs that ended while no worker held them, so nobody was notified.
    """

    lost: tuple[tuple[str, State], ...]
    bells: tuple[Bell, ...]
    unannounced: tuple[str, ...]


def to_change(job: str, reply: list[Any]) -> Change:
    """Read the answer of a script that changes a job."""
    outcome, before, after, bells = reply
    return Change(
        job,
        State(before) if before else None,
        State(after) if after else None,
        is_change=outcome in ("ok", "created"),
        bells=to_bells(bells),
    )


def to_bells(flat: list[str]) -> tuple[Bell, ...]:
    return tuple(Bell(job, queue) for job, queue in pair_up(flat))


def pair_up(flat: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of a flat list, as the scripts return them."""
    return list(zip(flat[::2], flat[1::2], strict=True))
