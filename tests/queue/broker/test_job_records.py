"""The store against a model in plain Python: any sequence of calls, compared after each step.

``RUSHES_MODEL_EXAMPLES`` is how many sequences are tried.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from farm.documents import document
from farm.model import Answer, Model
from farm.servers import RunningServer
from rushes_queue.broker.attempt_ends import MAX_FAILURES, MAX_INFRASTRUCTURE_FAILURES
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import Change
from rushes_queue.errors import (
    FencedError,
    JobConflictError,
    UnknownJobError,
    WorkerRestsError,
)
from rushes_queue.jobs.document import SCHEMA_VERSION
from rushes_queue.jobs.record import Attempt, FailureKind, JobProgress, JobRecord
from rushes_queue.jobs.states import FINISHED

EXAMPLES = int(os.environ.get("RUSHES_MODEL_EXAMPLES", "40"))
STEPS = 50

CLOCK, START = "clock", 1_800_000_000_000
DOCUMENTS = [document(take) for take in range(5)]
IDS = [each.id for each in DOCUMENTS]
PRIORITIES = ("high", "normal", "low")
TTL, RING_AFTER = 30_000, 20_000
CHUNKS = DOCUMENTS[0].num_chunks
NEWER = SCHEMA_VERSION + 1  # of a document that not every worker reads

priorities = st.sampled_from(PRIORITIES)
picks = st.integers(0, 10**6)
orders = st.just(PRIORITIES) | st.permutations(PRIORITIES).map(lambda order: order[:2])
moves = st.sampled_from([1, 4_999, 5_000, 29_999, 30_000, 30_001, 400_000])


class StoreMachine(RuleBasedStateMachine):
    """Every rule does one thing to the store and to the model."""

    def __init__(self, client: Redis) -> None:
        super().__init__()
        client.flushall()
        self.client = client
        self.store = JobRecords(client, clock_key=CLOCK)
        self.model = Model(START)
        self.set_clock(START)
        self.held: list[tuple[str, int]] = []  # every claim ever, stale ones too
        self.requests: list[tuple[str, tuple[str, ...], int]] = []
        self.fences: dict[str, int] = {}
        self.saved: tuple[list[tuple[str, bytes, int]], Model] | None = None

    def set_clock(self, now: int) -> None:
        self.model.now = now
        self.client.set(CLOCK, now)

    def check(self, expected: Answer, job: str, call: Callable[[], Change]) -> None:
        """Make a call and compare its answer, or its error, with the model's."""
        outcome, before, after, bells = expected
        errors: dict[str, type[Exception]] = {
            **dict.fromkeys(("refused", "conflict", "vain"), JobConflictError),
            **dict.fromkeys(("unknown", "missing"), UnknownJobError),
            "fenced": FencedError,
        }
        if outcome in errors:
            with pytest.raises(errors[outcome]):
                call()
            return
        change = call()
        assert change.is_change == (outcome in ("ok", "created"))
        assert (change.before or "", change.after or "") == (before, after)
        assert sorted((bell.job, bell.queue) for bell in change.bells) == sorted(bells)

    def job(self, pick: int) -> str:
        """One of the jobs, often one that runs, now and then one that is unknown."""
        running = sorted(job.id for job in self.model.jobs.values() if job.owner)
        known = sorted(self.model.jobs)
        chosen = (running if pick % 2 else known) or known
        return chosen[pick // 16 % len(chosen)] if chosen and pick % 16 else IDS[pick // 16 % 5]

    def pick(self, pick: int) -> tuple[str, int]:
        """One of the claims that hold a job, now and then one that does not any more."""
        current = {(job.id, job.fence) for job in self.model.jobs.values() if job.owner}
        live = [claim for claim in self.held if claim in current]
        chosen = live if live and pick % 4 else self.held
        return chosen[pick // 4 % len(chosen)]

    @initialize(order=st.permutations(range(len(DOCUMENTS))), data=st.data())
    def submit_some(self, order: list[int], data: st.DataObject) -> None:
        for number in order[:3]:
            known = sorted(self.model.jobs)
            after = data.draw(st.lists(st.sampled_from(known), max_size=1)) if known else []
            self.submit(number, data.draw(priorities), after, data.draw(st.booleans()))

    # Users

    @rule(
        number=st.integers(0, len(IDS) - 1),
        priority=priorities,
        after=st.just([]) | st.lists(st.sampled_from(IDS), unique=True, max_size=2),
        is_new_schema=st.booleans(),
    )
    def submit(self, number: int, priority: str, after: list[str], is_new_schema: bool) -> None:
        schema = NEWER if is_new_schema and number == 0 else SCHEMA_VERSION
        made = DOCUMENTS[number].model_copy(
            update={"priority": priority, "after": tuple(after), "schema_version": schema}
        )
        expected = self.model.submit(made.id, priority, after, made.content_sha256, schema)
        self.check(expected, made.id, lambda: self.store.submit(made, "jobs/x/job.json"))

    @rule(job=st.integers(0, len(IDS) - 1))
    def submit_another_content(self, job: int) -> None:
        made = DOCUMENTS[job].model_copy(update={"seed": 43})
        expected = self.model.submit(made.id, "normal", [], made.content_sha256, SCHEMA_VERSION)
        self.check(expected, made.id, lambda: self.store.submit(made, "jobs/x/job.json"))

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        job = self.job(pick)
        self.check(self.model.cancel(job), job, lambda: self.store.changes.cancel(job))

    @rule(pick=picks)
    def pause(self, pick: int) -> None:
        job = self.job(pick)
        self.check(self.model.pause(job), job, lambda: self.store.changes.pause(job))

    @rule(pick=picks)
    def resume(self, pick: int) -> None:
        job = self.job(pick)
        self.check(self.model.resume(job), job, lambda: self.store.changes.resume(job))

    @rule(pick=picks, from_start=st.booleans())
    def retry(self, pick: int, from_start: bool) -> None:
        job = self.job(pick)
        expected = self.model.retry(job, from_start)
        self.check(expected, job, lambda: self.store.changes.retry(job, from_start=from_start))

    @rule(pick=picks, priority=priorities)
    def set_priority(self, pick: int, priority: Any) -> None:
        job = self.job(pick)
        expected = self.model.set_priority(job, priority)
        self.check(expected, job, lambda: self.store.changes.set_priority(job, priority))

    @rule(pick=picks)
    def forget(self, pick: int) -> None:
        job = self.job(pick)
        self.check(self.model.forget(job), job, lambda: self.store.changes.forget(job))
        if job not in self.model.jobs:
            self.fences.pop(job, None)
            self.set_clock(self.model.now + 1)  # what is submitted anew starts later

    # Workers

    @rule(
        worker=st.sampled_from(["w1", "w2", "w3"]),
        order=orders,
        max_schema=st.sampled_from([SCHEMA_VERSION, NEWER]),
    )
    def claim(self, worker: str, order: Sequence[str], max_schema: int) -> None:
        queues = tuple(f"tiny.any.{priority}" for priority in order)
        self.claim_as(worker, queues, max_schema, f"request{len(self.requests)}")
        self.requests.append((worker, queues, max_schema))

    @rule(worker=st.sampled_from(["w1", "w2"]), pick=picks)
    def claim_and_hear_a_wish(self, worker: str, pick: int) -> None:
        """What users ask of a running job is worth many tries."""
        self.claim(worker, PRIORITIES, NEWER)
        if pick % 3:
            self.pause(pick | 1)
        if pick % 3 != 1:
            self.cancel(pick // 7 | 1)
        if pick % 5 == 0:
            self.resume(pick | 1)

    @precondition(lambda self: self.requests)
    @rule(pick=picks)
    def repeat_a_claim(self, pick: int) -> None:
        number = pick % len(self.requests)
        self.claim_as(*self.requests[number], f"request{number}")

    def claim_as(self, worker: str, queues: tuple[str, ...], schema: int, request: str) -> None:
        expected = self.model.claim(queues, worker, TTL, schema, request)
        how: dict[str, Any] = {"ttl_ms": TTL, "max_schema": schema, "request": request}
        if isinstance(expected, str):
            with pytest.raises(WorkerRestsError):
                self.store.leases.claim(queues, worker, **how)
            return
        got = self.store.leases.claim(queues, worker, **how)
        assert (None if got is None else (got.id, got.fence)) == expected
        if expected is not None and expected not in self.held:
            self.held.append(expected)

    @precondition(lambda self: self.held)
    @rule(pick=picks, chunk=st.none() | st.integers(0, 3))
    def renew(self, pick: int, chunk: int | None) -> None:
        job, fence = self.pick(pick)
        progress = None if chunk is None else JobProgress(chunk, 4 * chunk)
        expected = self.model.renew(job, fence, TTL, chunk)
        assert self.store.leases.renew(job, fence, TTL, progress) == expected

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def finish(self, pick: int) -> None:
        job, fence = self.pick(pick)
        expected = self.model.finish(job, fence, {"video": "v"}, CHUNKS)
        self.check(expected, job, lambda: self.store.ends.finish(job, fence, {"video": "v"}))

    @precondition(lambda self: self.held)
    @rule(pick=picks, kind=st.sampled_from(FailureKind), delay=st.sampled_from([0, 5_000]))
    def fail(self, pick: int, kind: FailureKind, delay: int) -> None:
        job, fence = self.pick(pick)
        expected = self.model.fail(job, fence, kind, delay)
        self.check(
            expected, job, lambda: self.store.ends.fail(job, fence, kind, "no", delay_ms=delay)
        )

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def quarantine(self, pick: int) -> None:
        job, fence = self.pick(pick)
        expected = self.model.quarantine(job, fence, "document")
        kind = FailureKind.DOCUMENT
        self.check(
            expected, job, lambda: self.store.ends.quarantine(job, fence, kind, "unreadable")
        )

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        job, fence = self.pick(pick)
        expected = self.model.release(job, fence, "drained")
        self.check(expected, job, lambda: self.store.ends.release(job, fence, "drained"))

    @precondition(lambda self: self.held)
    @rule(pick=picks, is_from_outside=st.booleans())
    def lose(self, pick: int, is_from_outside: bool) -> None:
        job, fence = self.pick(pick)
        expected = self.model.lose(job, fence, is_from_outside)
        self.check(
            expected,
            job,
            lambda: self.store.ends.lose(job, fence, "it died", is_from_outside=is_from_outside),
        )

    @precondition(lambda self: self.held)
    @rule(pick=picks, to=st.sampled_from(["cancelled", "paused"]))
    def settle(self, pick: int, to: Any) -> None:
        job, fence = self.pick(pick)
        expected = self.model.settle(job, fence, to)
        self.check(expected, job, lambda: self.store.ends.settle(job, fence, to))

    @rule(
        workers=st.lists(st.sampled_from(["w1", "w2"]), min_size=2, max_size=7),
        is_reaped=st.booleans(),
    )
    def die_again_and_again(self, workers: list[str], is_reaped: bool) -> None:
        for worker in workers:
            self.claim(worker, PRIORITIES, NEWER)
            if is_reaped:
                self.let_time_pass(TTL)
                self.reap()
            elif self.held:
                self.lose(len(self.held) * 4 - 4, False)

    @rule(kind=st.sampled_from(["resource", "infrastructure"]), times=st.integers(3, 20))
    def fail_again_and_again(self, kind: Any, times: int) -> None:
        for _ in range(times):
            self.claim("w2", PRIORITIES, NEWER)
            if self.held:
                self.fail(len(self.held) * 4 - 4, FailureKind(kind), 0)

    # The world

    @rule(ms=moves)
    def let_time_pass(self, ms: int) -> None:
        self.set_clock(self.model.now + ms)

    @rule()
    def reap(self) -> None:
        lost, bells, unannounced = self.model.reap(RING_AFTER)
        reaped = self.store.leases.reap(ring_after_ms=RING_AFTER)
        assert sorted(reaped.lost) == sorted(lost)
        assert sorted(reaped.unannounced) == sorted(unannounced)
        assert sorted((bell.job, bell.queue) for bell in reaped.bells) == sorted(bells)

    @rule()
    def save_to_disk(self) -> None:
        keys = [key for key in self.client.scan_iter() if key != CLOCK]
        with Redis(connection_pool=raw_pool(self.client)) as raw:
            saved = [(key, raw.dump(key), max(raw.pttl(key), 0)) for key in keys]
        self.saved = saved, self.model.copy()

    @precondition(lambda self: self.saved)
    @rule()
    def lose_what_was_not_saved(self) -> None:
        assert self.saved is not None
        keys, model = self.saved
        now = self.model.now + 1
        self.client.flushall()
        with Redis(connection_pool=raw_pool(self.client)) as raw:
            for key, data, ttl in keys:
                raw.restore(key, ttl, data)
        self.model = model.copy()
        self.set_clock(now)
        self.fences = {job.id: job.fence for job in self.model.jobs.values()}

    @rule(order=st.randoms(use_true_random=False))
    def lose_everything_and_adopt(self, order: random.Random) -> None:
        """The records come back from storage, in any order."""
        records = list(self.store.list())
        self.client.flushall()
        now = self.model.now + 1
        old = self.model.jobs
        self.model = Model(now)
        self.set_clock(now)
        self.saved = None
        order.shuffle(records)
        for record in records:
            self.store.adopt(JobRecord.from_dict(record.to_dict()), ttl_ms=TTL)
            job = old[record.id]
            self.model.sequence += 1
            job.seq, job.ended, job.attempts, job.notes = self.model.sequence, None, [], {}
            job.not_before, job.is_unannounced, job.lost = None, False, []
            job.lease_until = now + TTL if job.state == "running" else None
            after, job.waiting_for = job.waiting_for, []
            self.model.jobs[job.id] = job
            self.model._wait_for(job, after)
            if job.state == "queued":
                self.model._enqueue(job)
            self.model._tell(job.id)
            self.model._heed_causes(job)
        self.model.bells = []

    # What always holds

    @invariant()
    def records_agree_with_the_model(self) -> None:
        records = {record.id: record for record in self.store.list()}
        assert records.keys() == self.model.jobs.keys()
        for job in self.model.jobs.values():
            record = records[job.id]
            shown = {
                "state": job.state,
                "queue": job.queue,
                "priority": job.priority,
                "schema": job.schema,
                "fence": job.fence,
                "oldest_fence": job.oldest_fence,
                "attempts": job.num_attempts,
                "losses": job.losses,
                "losses_in_place": job.losses_in_place,
                "loss_chunk": job.loss_chunk,
                "failures": job.failures,
                "infrastructure_failures": job.infrastructure_failures,
                "chunk": job.chunk,
                "owner": job.owner,
                "lease_until_ms": job.lease_until,
                "not_before_ms": job.not_before,
                "waiting_for": tuple(job.waiting_for),
                "cancel": job.cancel,
                "pause": job.pause,
                "result": job.result,
            }
            assert {name: getattr(record, name) for name in shown} == shown
            assert (record.error and record.error.kind) == job.error
            assert record.notes.keys() == job.notes.keys()
            for name, note in job.notes.items():
                assert record.notes[name].startswith(note)

    @invariant()
    def attempts_agree_with_the_model(self) -> None:
        for job in self.model.jobs.values():
            assert [shown(attempt) for attempt in self.store.attempts(job.id)] == [
                (
                    each.fence,
                    each.worker,
                    each.started_ms,
                    each.first_chunk,
                    each.last_chunk,
                    each.ended_ms,
                    each.reason,
                )
                for each in job.attempts[-50:]
            ]

    @invariant()
    def every_job_is_in_the_sets_of_its_state_and_in_no_other(self) -> None:
        prefix = self.store.prefix
        pipeline = self.client.pipeline(transaction=False)
        for name in ("jobs", "ids", "running", "finished", "parked"):
            pipeline.zrange(f"{prefix}{name}", 0, -1)
        for priority in PRIORITIES:
            pipeline.zrange(f"{prefix}queued:tiny.any.{priority}", 0, -1)
        everything, ids, running, finished, parked, *queues = map(sorted, pipeline.execute())
        jobs = self.model.jobs.values()
        assert everything == ids == sorted(self.model.jobs)
        assert running == sorted(job.id for job in jobs if job.state == "running")
        assert finished == sorted(job.id for job in jobs if job.state in FINISHED)
        assert parked == sorted(
            job.id for job in jobs if job.state == "queued" and not job.is_claimable
        )
        for priority, queue in zip(PRIORITIES, queues, strict=True):
            assert queue == sorted(
                job.id for job in jobs if job.is_claimable and job.priority == priority
            )

    @invariant()
    def fences_only_grow_and_no_two_claims_share_one(self) -> None:
        for job in self.model.jobs.values():
            assert job.fence >= self.fences.get(job.id, 0)
            self.fences[job.id] = job.fence
        assert len(set(self.held)) == len(self.held)

    @invariant()
    def budgets_are_kept(self) -> None:
        for job in self.model.jobs.values():
            assert job.failures <= MAX_FAILURES
            assert job.infrastructure_failures <= MAX_INFRASTRUCTURE_FAILURES

    @invariant()
    def every_key_belongs_to_a_job_or_ends_by_itself(self) -> None:
        prefix = self.store.prefix
        shared = {
            *("jobs", "ids", "running", "finished", "parked", "untold"),
            *("queues", "sequence", "totals"),
        }
        for key in self.client.scan_iter(count=1000):
            if key == CLOCK:
                continue
            kind, _, name = key.removeprefix(prefix).partition(":")
            if kind in ("job", "attempts", "events", "losses"):
                assert name in self.model.jobs
            elif kind == "dependents":
                assert self.client.smembers(key) == self.model.waits[name]
            elif kind in ("request", "healthy", "lost_in_a_row", "rests"):
                assert self.client.pttl(key) > 0
            else:
                assert kind in shared or kind == "queued"


def shown(attempt: Attempt) -> tuple[Any, ...]:
    return (
        *(attempt.fence, attempt.worker, attempt.started_ms, attempt.first_chunk),
        *(attempt.last_chunk, attempt.ended_ms, attempt.reason),
    )


def raw_pool(client: Redis) -> Any:
    """A pool whose replies stay bytes."""
    pool = client.connection_pool
    options = pool.connection_kwargs | {"decode_responses": False}
    return type(pool)(connection_class=pool.connection_class, **options)


def test_any_sequence_of_calls_does_what_the_model_does(redis_server: RunningServer) -> None:
    with redis_server.client() as client:
        run_state_machine_as_test(
            lambda: StoreMachine(client),  # type: ignore[arg-type]  # it takes any factory
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
