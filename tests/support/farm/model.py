"""What the job store should do, in plain Python, to compare the real one with."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from rushes_queue.jobs.states import FINISHED, State

MAX_LOSSES, MAX_FAILURES, MAX_OUTAGES, MAX_IN_A_ROW = 3, 5, 20, 3
CRASHED, GONE = 2, 1  # what losses weigh
FIRST_REST, LONGEST_REST = 30_000, 600_000
FINAL_KINDS = ("input", "document", "bug")


@dataclass
class ModelAttempt:
    fence: int
    worker: str
    started_ms: int
    first_chunk: int
    first_reported: int | None = None  # counts once the attempt has ended
    last_chunk: int | None = None
    ended_ms: int | None = None
    reason: str | None = None


@dataclass
class ModelLoss:
    place: str
    weight: int
    done: int  # what the place had got done by then


@dataclass
class ModelPlace:
    done: int = 0
    lost: list[str] = field(default_factory=list)  # in a row
    rests_until: int = 0


@dataclass
class ModelJob:
    id: str
    preset: str
    priority: str
    schema: int
    content: str
    seq: int
    created_ms: int
    state: str = "queued"
    fence: int = 0
    oldest_fence: int = 0
    losses: int = 0
    losses_in_place: int = 0
    lost: list[ModelLoss] = field(default_factory=list)  # those in place
    loss_chunk: int | None = None
    failures: int = 0
    infrastructure_failures: int = 0
    chunk: int = 0
    not_before: int | None = None
    lease_until: int | None = None
    owner: str | None = None
    waiting_for: list[str] = field(default_factory=list)
    cancel: bool = False
    is_unannounced: bool = False  # of its end, which no worker saw
    pause: bool = False
    error: str | None = None  # its kind
    result: Any = None
    notes: dict[str, str] = field(default_factory=dict)
    ended: tuple[int, str] | None = None
    is_parked: bool = False  # queued, but not to be claimed yet
    rung: int = 0
    num_attempts: int = 0
    attempts: list[ModelAttempt] = field(default_factory=list)

    @property
    def queue(self) -> str:
        return f"{self.preset}.any.{self.priority}"

    @property
    def is_claimable(self) -> bool:
        return self.state == "queued" and not self.is_parked


Answer = tuple[str, str, str, list[tuple[str, str]]]  # outcome, before, after, bells


class Model:
    """All jobs; every method answers (outcome, before, after, bells)."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.jobs: dict[str, ModelJob] = {}
        self.sequence = 0
        self.bells: list[tuple[str, str]] = []
        self.waits: dict[str, set[str]] = {}  # id -> those that wait for it
        self.requests: dict[str, tuple[str, int]] = {}
        self.places: dict[str, ModelPlace] = {}  # one for each worker

    def copy(self) -> Model:
        return deepcopy(self)

    def _answer(self, outcome: str, before: str = "", after: str = "") -> Answer:
        bells, self.bells = self.bells, []
        return outcome, before, after, bells

    # What users do

    def submit(
        self, job: str, priority: str, after: Sequence[str], content: str, schema: int
    ) -> Answer:
        if job in self.jobs:
            state = self.jobs[job].state
            return self._answer(
                "exists" if self.jobs[job].content == content else "conflict", state, state
            )
        for other in after:
            if other not in self.jobs:
                return self._answer("missing", other)
        self.sequence += 1
        new = ModelJob(job, "tiny", priority, schema, content, self.sequence, self.now)
        self.jobs[job] = new
        self._wait_for(new, after)
        self._enqueue(new)
        self._tell(job)
        self._heed_causes(new)
        return self._answer("created", "", new.state)

    def cancel(self, job: str) -> Answer:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown")
        if found.state == "cancelled" or found.cancel:
            return self._answer("already", found.state, found.state)
        if found.state == "done":
            return self._answer("refused", "done", "done")
        if found.state == "running":
            found.cancel = True
            return self._answer("ok", "running", "running")
        before = found.state
        self._enter(found, "cancelled")
        found.is_unannounced = True
        return self._answer("ok", before, "cancelled")

    def pause(self, job: str) -> Answer:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown")
        if found.state == "paused" or found.pause:
            return self._answer("already", found.state, found.state)
        if found.state == "running":
            found.pause = True
            return self._answer("ok", "running", "running")
        if found.state == "queued":
            return self._answer("ok", "queued", self._enter(found, "paused"))
        return self._answer("refused", found.state, found.state)

    def resume(self, job: str) -> Answer:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown")
        if found.state == "paused":
            self._enter(found, "queued")
            return self._answer("ok", "paused", found.state)
        if found.state == "running" and found.pause:
            found.pause = False
            return self._answer("ok", "running", "running")
        if found.state in ("queued", "running"):
            return self._answer("already", found.state, found.state)
        return self._answer("refused", found.state, found.state)

    def retry(self, job: str, from_start: bool) -> Answer:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown")
        if found.state == "queued":
            return self._answer("already", "queued", "queued")
        if found.state not in ("failed", "cancelled", "quarantined"):
            return self._answer("refused", found.state, found.state)
        if other := self._vain_cause(found, is_unknown_vain=True):
            return self._answer("vain", other, self._state(other) or "unknown")
        before = found.state
        found.error = found.loss_chunk = None
        found.failures = found.infrastructure_failures = found.losses_in_place = 0
        found.lost = []
        if from_start:
            found.oldest_fence = found.fence + 1
            found.chunk = 0
        return self._answer("ok", before, self._enter(found, "queued"))

    def set_priority(self, job: str, priority: str) -> Answer:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown")
        if found.state in FINISHED:
            return self._answer("refused", found.state, found.state)
        if found.priority == priority:
            return self._answer("already", found.state, found.state)
        found.priority = priority
        if found.state == "queued":
            self._enqueue(found)
        return self._answer("ok", found.state, found.state)

    def forget(self, job: str) -> Answer:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown")
        if found.state not in FINISHED:
            return self._answer("refused", found.state, found.state)
        for other in found.waiting_for:
            self.waits[other].discard(job)
        del self.jobs[job]
        self._tell(job)
        return self._answer("ok", found.state, "")

    # What workers do

    def claim(
        self, queues: Sequence[str], worker: str, ttl: int, max_schema: int, request: str
    ) -> tuple[str, int] | str | None:
        if request in self.requests:
            job, fence = self.requests[request]
            found = self.jobs.get(job)
            if found is not None and found.state == "running" and found.fence == fence:
                return job, fence
        if self.place(worker).rests_until > self.now:
            return "resting"
        self._bring_back()
        for job, _ in self.bells:
            self.jobs[job].rung = 0
        self.bells = []
        avoided: ModelJob | None = None
        for queue in queues:
            waiting = [job for job in self.jobs.values() if job.is_claimable and job.queue == queue]
            for found in sorted(waiting, key=lambda job: job.seq):
                if found.schema > max_schema:
                    found.notes["refused_by"] = worker
                    continue
                if self._has_crashed_at(found, worker):
                    avoided = avoided or found
                    continue
                return self._take(found, worker, ttl, request)
        return self._take(avoided, worker, ttl, request) if avoided else None

    def place(self, worker: str) -> ModelPlace:
        return self.places.setdefault(worker, ModelPlace())

    def _has_crashed_at(self, job: ModelJob, worker: str) -> bool:
        done = self.place(worker).done
        recent = [each for each in job.lost if (each.place, each.done) == (worker, done)]
        return sum(each.weight for each in recent) >= CRASHED

    def _take(self, found: ModelJob, worker: str, ttl: int, request: str) -> tuple[str, int]:
        found.state = "running"
        found.fence = max(found.fence + 1, self.now)
        found.owner = worker
        found.lease_until = self.now + ttl
        found.notes.pop("refused_by", None)
        found.num_attempts += 1
        found.attempts.append(ModelAttempt(found.fence, worker, self.now, found.chunk))
        self.requests[request] = (found.id, found.fence)
        return self.requests[request]

    def renew(self, job: str, fence: int, ttl: int, chunk: int | None) -> str:
        found = self.jobs.get(job)
        if found is None:
            return "unknown"
        if found.state != "running" or found.fence != fence:
            return "fenced"
        found.lease_until = self.now + ttl
        if chunk is not None:
            found.chunk = chunk
            if found.attempts and found.attempts[-1].first_reported is None:
                found.attempts[-1].first_reported = chunk
        return "cancel" if found.cancel else "pause" if found.pause else "ok"

    def finish(self, job: str, fence: int, result: Any, num_chunks: int) -> Answer:
        refusal, found = self._hold(job, fence, "finish")
        if found is None:
            return refusal
        found.result, found.error, found.notes, found.chunk = result, None, {}, num_chunks
        found.lost = []
        place = self.place(found.owner or "")
        place.done += 1
        place.lost, place.rests_until = [], 0
        return self._end(found, "finish", "done", "done")

    def fail(self, job: str, fence: int, kind: str, delay: int) -> Answer:
        refusal, found = self._hold(job, fence, "fail")
        if found is None:
            return refusal
        found.error = kind
        target = "failed"
        if kind == "resource":
            found.failures += 1
            target = "failed" if found.failures >= MAX_FAILURES else "queued"
        elif kind == "infrastructure":
            found.infrastructure_failures += 1
            target = "failed" if found.infrastructure_failures >= MAX_OUTAGES else "queued"
        if target == "queued":
            found.not_before = self.now + delay
        return self._end(found, "fail", target, kind)

    def quarantine(self, job: str, fence: int, kind: str) -> Answer:
        refusal, found = self._hold(job, fence, "fail")
        if found is None:
            return refusal
        found.error = kind
        return self._end(found, "fail", "quarantined", kind)

    def release(self, job: str, fence: int, reason: str) -> Answer:
        refusal, found = self._hold(job, fence, "release")
        return refusal if found is None else self._end(found, "release", "queued", reason)

    def lose(self, job: str, fence: int, is_from_outside: bool) -> Answer:
        refusal, found = self._hold(job, fence, "lose")
        if found is None:
            return refusal
        if not is_from_outside:
            return self._lose(found, "lose", CRASHED)
        found.losses += 1
        found.infrastructure_failures += 1
        found.error = "infrastructure"
        target = "failed" if found.infrastructure_failures >= MAX_OUTAGES else "queued"
        return self._end(found, "lose", target, "ended from outside")

    def settle(self, job: str, fence: int, to: str) -> Answer:
        refusal, found = self._hold(job, fence, "settle")
        if found is None:
            return refusal
        if to == "cancelled" and not found.cancel:
            return self._answer("refused", "running", "running")
        return self._end(found, "settle", "queued", to)

    def reap(
        self, ring_after: int
    ) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]:
        expired = [
            job
            for job in self.jobs.values()
            if job.lease_until is not None and job.lease_until <= self.now
        ]
        lost = []
        bells: list[tuple[str, str]] = []
        for job in expired:
            *_, after, more = self._lose(job, "reap", GONE)
            lost.append((job.id, after))
            bells += more
        self._bring_back()
        for job in self.jobs.values():
            if job.is_claimable and job.rung + ring_after <= self.now:
                job.rung = self.now
                self.bells.append((job.id, job.queue))
        *_, more = self._answer("")
        unannounced = [job for job in self.jobs.values() if job.is_unannounced]
        for job in unannounced:
            job.is_unannounced = False
        return lost, bells + more, [job.id for job in unannounced]

    # The rules behind

    def _hold(self, job: str, fence: int, verb: str) -> tuple[Answer, ModelJob | None]:
        found = self.jobs.get(job)
        if found is None:
            return self._answer("unknown"), None
        if found.state == "running" and found.fence == fence:
            return self._answer(""), found
        outcome = "repeated" if found.ended == (fence, verb) else "fenced"
        return self._answer(outcome, found.state, found.state), None

    def _end(self, found: ModelJob, verb: str, target: str, reason: str) -> Answer:
        if found.cancel and target != "done":
            target = "cancelled"
        elif found.pause and target == "queued":
            target = "paused"
        if found.attempts:
            attempt = found.attempts[-1]
            attempt.ended_ms, attempt.reason = self.now, reason
            attempt.last_chunk = found.chunk
            if attempt.first_reported is not None:
                attempt.first_chunk = attempt.first_reported
        found.owner = found.lease_until = None
        found.cancel = found.pause = False
        found.ended = (found.fence, verb)
        return self._answer("ok", "running", self._enter(found, target))

    def _lose(self, found: ModelJob, verb: str, weight: int) -> Answer:
        worker = found.owner or ""
        place = self.place(worker)
        if found.loss_chunk != found.chunk:
            found.lost = []
        found.lost.append(ModelLoss(worker, weight, place.done))
        found.losses += 1
        found.losses_in_place, found.loss_chunk = len(found.lost), found.chunk
        found.error = "lost"
        is_blamed = self._is_to_blame(found.lost)
        if is_blamed:
            for each in found.lost:
                self._acquit(self.place(each.place), found.id)
        else:
            place.lost.append(found.id)
            if len(place.lost) >= MAX_IN_A_ROW:
                rest = FIRST_REST * 2 ** (len(place.lost) - MAX_IN_A_ROW)
                place.rests_until = self.now + min(rest, LONGEST_REST)
        reason = "gone" if weight == GONE else "lost"
        return self._end(found, verb, "quarantined" if is_blamed else "queued", reason)

    def _acquit(self, place: ModelPlace, job: str) -> None:
        place.lost = [each for each in place.lost if each != job]
        if len(place.lost) < MAX_IN_A_ROW:
            place.rests_until = 0

    def _is_to_blame(self, losses: list[ModelLoss]) -> bool:
        crashes = [each for each in losses if each.weight == CRASHED]
        gone = [each for each in losses if each.weight == GONE]
        return (
            self._count_against(crashes, MAX_LOSSES) >= MAX_LOSSES
            or self._count_against(gone, 2 * MAX_LOSSES) >= 2 * MAX_LOSSES
        )

    def _count_against(self, losses: list[ModelLoss], enough: int) -> int:
        total = 0
        for place in {each.place for each in losses}:
            own = [each for each in losses if each.place == place]
            proven = sum(
                before is None or before.done != each.done
                for before, each in zip([None, *own], own, strict=False)
            )
            total += max(proven, min(len(own), enough - 1))
        return total

    def _enter(self, found: ModelJob, state: str) -> str:
        was_finished = found.state in FINISHED
        found.state = state
        found.is_parked = found.is_unannounced = False
        if state in FINISHED:
            found.not_before = None
        if state == "queued":
            self._enqueue(found)
            self._heed_causes(found)
        if was_finished or state in FINISHED:
            self._tell(found.id)
        return state

    def _enqueue(self, found: ModelJob) -> None:
        if found.waiting_for:
            found.is_parked = True
        elif found.not_before is not None and found.not_before > self.now:
            found.is_parked = True
        else:
            found.is_parked, found.not_before, found.rung = False, None, self.now
            self.bells.append((found.id, found.queue))

    def _bring_back(self) -> None:
        for job in self.jobs.values():
            is_due = job.not_before is not None and job.not_before <= self.now
            if job.state == "queued" and job.is_parked and not job.waiting_for and is_due:
                self._enqueue(job)

    def _wait_for(self, new: ModelJob, after: Sequence[str]) -> None:
        for other in after:
            state = self.jobs[other].state if other in self.jobs else None
            if state == "done":
                continue
            new.waiting_for.append(other)
            self.waits.setdefault(other, set()).add(new.id)
            self._note_wait(new, other, state)

    def _note_wait(self, job: ModelJob, other: str, state: str | None) -> None:
        job.notes.pop(f"waits_for {other}", None)
        if state is None:
            job.notes[f"waits_for {other}"] = "unknown"
        elif state in FINISHED and state != "done":
            job.notes[f"waits_for {other}"] = state

    def _state(self, job: str) -> str | None:
        return self.jobs[job].state if job in self.jobs else None

    def _vain_cause(self, job: ModelJob, is_unknown_vain: bool = False) -> str | None:
        for other in job.waiting_for:
            state = self._state(other)
            if state in FINISHED or (state is None and is_unknown_vain):
                return other
        return None

    def _heed_causes(self, job: ModelJob) -> None:
        if job.state == "queued" and self._vain_cause(job):
            job.error = "cause"
            self._enter(job, "failed")
            job.is_unannounced = True
        elif (job.state, job.error) == ("failed", "cause"):
            if not self._vain_cause(job, is_unknown_vain=True):
                job.error = None
                self._enter(job, "queued")

    def _tell(self, other: str) -> None:
        state = self._state(other)
        for name in sorted(self.waits.get(other, set())):
            job = self.jobs[name]
            self._note_wait(job, other, state)
            if state == "done":
                job.waiting_for.remove(other)
                if not job.waiting_for and job.state == "queued":
                    self._enqueue(job)
            self._heed_causes(job)
        if state == "done":
            self.waits.pop(other, None)


def states_of(model: Model) -> dict[str, State]:
    return {job.id: State(job.state) for job in model.jobs.values()}
