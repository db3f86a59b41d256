"""How an attempt ends: done, failed, lost, given back, or stopped as its user asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from rushes.text import printable, shortened
from rushes_queue.broker.replies import Change, to_change
from rushes_queue.broker.scripts import Scripts
from rushes_queue.errors import FencedError, JobConflictError
from rushes_queue.jobs.find_id import refuse_unknown
from rushes_queue.jobs.record import STORED_NAMES, FailureKind, JobFailure

MAX_LOSSES = 3  # at the same chunk and not by one worker alone: then the job is to blame
MAX_LOSSES_IN_A_ROW = 3  # of one worker, which then rests
MAX_FAILURES = 5  # for want of resources
MAX_INFRASTRUCTURE_FAILURES = 20

_COUNTERS = {  # kinds of failure that are worth another try: field of the stored record
    FailureKind.RESOURCE: "failures",
    FailureKind.INFRASTRUCTURE: STORED_NAMES["infrastructure_failures"],
}
_LONGEST_MESSAGE = 2000  # characters


class AttemptEnds:
    """Ends of the attempt that holds a job; ``fence`` tells it from every other attempt.

    Every method raises BrokerError when the broker cannot be reached, UnknownJobError when there is
    no such job, and FencedError when another attempt may hold it.
    """

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def finish(self, job: str, fence: int, result: Mapping[str, Any]) -> Change:
        """Report that the result is published; the jobs that waited for it are queued.

        Raises: FencedError when another attempt may hold the job.
        """
        return self._end("finish", job, fence, json.dumps(result))

    def fail(
        self,
        job: str,
        fence: int,
        kind: FailureKind,
        message: str,
        *,
        delay_ms: int = 0,
        max_failures: int = MAX_FAILURES,
        max_infrastructure_failures: int = MAX_INFRASTRUCTURE_FAILURES,
    ) -> Change:
        """Report a failure: final, or to be retried after ``delay_ms``, depending on its kind.

        Raises: FencedError when another attempt may hold the job.
        """
        counter = _COUNTERS.get(kind, "")
        cap = max_failures if kind is FailureKind.RESOURCE else max_infrastructure_failures
        event = "back_off" if counter else "fail"
        failure = _failure_text(kind, message)
        return self._end("fail", job, fence, kind, failure, event, delay_ms, counter, cap)

    def quarantine(self, job: str, fence: int, kind: FailureKind, message: str) -> Change:
        """Quarantine a job that no worker should try again, such as one that cannot be read.

        Raises: FencedError when another attempt may hold the job.
        """
        failure = _failure_text(kind, message)
        return self._end("fail", job, fence, kind, failure, "quarantine", 0, "", 0)

    def release(self, job: str, fence: int, reason: str, *, is_refused: bool = False) -> Change:
        """Give a job back that is not to blame, as when a worker drains.

        ``is_refused``: this worker cannot take it, and does not get it again for a minute, longer
        each time, up to an hour; the reason becomes a note.

        Raises: FencedError when another attempt may hold the job.
        """
        return self._end("release", job, fence, _line(reason), int(is_refused))

    def lose(
        self,
        job: str,
        fence: int,
        message: str,
        *,
        is_from_outside: bool = False,
        max_losses: int = MAX_LOSSES,
        max_infrastructure_failures: int = MAX_INFRASTRUCTURE_FAILURES,
        max_in_a_row: int = MAX_LOSSES_IN_A_ROW,
    ) -> Change:
        """Report that the process that rendered the job has died.

        A job that crashes wherever it is tried is quarantined (see ``losses.lua``), and a worker
        that loses every job has to rest. ``is_from_outside``: somebody ended the process; that is
        nobody's fault, and counts as an infrastructure failure.
        Raises: FencedError when another attempt may hold the job.
        """
        caps = (max_losses, max_infrastructure_failures, max_in_a_row)
        return self._end("lose", job, fence, _line(message), int(is_from_outside), *caps)

    def settle(self, job: str, fence: int, to: Literal["cancelled", "paused"]) -> Change:
        """Do what ``renew`` asked for; if the request was withdrawn, the job is queued.

        Raises: FencedError when another attempt may hold the job; JobConflictError when nobody
            asked to cancel it.
        """
        return self._end("settle", job, fence, to)

    def _end(self, script: str, job: str, fence: int, *args: str | int) -> Change:
        """Run what ends an attempt."""
        reply = self._scripts.run(script, job, fence, *args)
        match reply:
            case ["unknown", *_]:
                refuse_unknown(job)
            case ["fenced", state, *_]:
                raise FencedError(
                    f"job {job}: is {state} and no longer held by the attempt with fence {fence}",
                    job=job,
                )
            case ["refused", state, *_]:
                raise JobConflictError(f"job {job}: is {state}; nobody asked to stop it", job=job)
        return to_change(job, reply)


def _failure_text(kind: FailureKind, message: str) -> str:
    return json.dumps(asdict(JobFailure(kind, _line(message), retryable=kind in _COUNTERS)))


def _line(text: str) -> str:
    return shortened(printable(text), _LONGEST_MESSAGE)
