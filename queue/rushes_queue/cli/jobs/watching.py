"""Jobs followed until all of them have ended, and the exit code that says how."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.jobs.watch_view import JsonLines, LiveTable, PlainLines, View
from rushes_queue.cli.show.console import say
from rushes_queue.cli.show.job_view import SHORT_ID
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.states import FINISHED, State

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.jobs.record import JobRecord

_SECONDS_BETWEEN_LOOKS = 0.4
_JOBS_PER_SECOND = 2000  # that are looked at, so that thousands do not keep the broker busy
GONE_SECONDS = 10.0  # without a record; a broker that lost it may be rebuilt
_MOST_NAMED = 5


def watch_jobs(
    store: JobRecords,
    jobs: Sequence[str],
    *,
    timeout_seconds: float | None = None,
    as_json: bool = False,
    gone_seconds: float = GONE_SECONDS,
) -> int:
    """Show the progress of jobs until all have ended; return the exit code.

    0 all done, 1 one failed, 7 all cancelled, 10 some done and some cancelled, 4 a record is gone,
    8 out of time, 130 Ctrl-C, after which the jobs go on. A broker that goes away is waited for.
    Raises: BrokerError when it cannot be reached at first.
    """
    store.get_many(jobs[:1])  # a broker that was never there is an error
    watch = _Watch(store, jobs, timeout_seconds, gone_seconds)
    try:
        with _choose_view(as_json) as view:
            code = watch.run(view)
            view.end(code)
    except KeyboardInterrupt:
        say(f"detached; the jobs go on: rushes watch {_name_some(watch.left)}")
        return exit_codes.INTERRUPTED
    if code == exit_codes.TIMED_OUT:
        say(f"not ended after {timeout_seconds:g} s; the jobs go on: {_name_some(watch.left)}")
    return code


def exit_code_of(states: Collection[State]) -> int:
    """Return what the ends of some jobs are as an exit code."""
    if State.FAILED in states or State.QUARANTINED in states:
        return exit_codes.FAILED
    if State.CANCELLED in states:
        return exit_codes.PARTIAL if State.DONE in states else exit_codes.CANCELLED
    return exit_codes.OK


class _Watch:
    """The jobs that have not ended yet, and how the others did."""

    def __init__(
        self,
        store: JobRecords,
        jobs: Iterable[str],
        timeout_seconds: float | None,
        gone_seconds: float,
    ) -> None:
        self._store = store
        self._records: dict[str, JobRecord | None] = dict.fromkeys(jobs)
        self._gone_seconds = gone_seconds
        self._gone: dict[str, float] = {}  # since when there is no record
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    @property
    def left(self) -> list[str]:
        """The jobs that have not ended, as far as is known."""
        return [
            job
            for job, record in self._records.items()
            if record is None or record.state not in FINISHED
        ]

    def run(self, view: View) -> int:
        """Look again and again until there is nothing more to see."""
        while True:
            is_there = self._look()
            view.show([record for record in self._records.values() if record], is_there)
            left = [job for job in self.left if not self._is_lost(job)]
            if not left and is_there:
                return self._code()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return exit_codes.TIMED_OUT
            pause = max(_SECONDS_BETWEEN_LOOKS, len(left) / _JOBS_PER_SECOND)
            if self._deadline is not None:
                pause = min(pause, max(self._deadline - time.monotonic(), 0.0))
            time.sleep(pause)

    def _look(self) -> bool:
        """Read the records of jobs that have not ended; returns False while the broker is away."""
        left = self.left
        try:
            found = self._store.get_many(left)
        except BrokerError:
            self._gone.clear()
            return False
        now = time.monotonic()
        for job in left:
            if job in found:
                self._records[job] = found[job]
                self._gone.pop(job, None)
            else:
                self._gone.setdefault(job, now)
        return True

    def _is_lost(self, job: str) -> bool:
        since = self._gone.get(job)
        return since is not None and time.monotonic() - since >= self._gone_seconds

    def _code(self) -> int:
        lost = [job for job in self._records if self._is_lost(job)]
        if lost:
            say(f"error: no record any more of {_name_some(lost)}; see rushes reconcile")
            return exit_codes.NOT_FOUND
        return exit_code_of({record.state for record in self._records.values() if record})


def _choose_view(as_json: bool) -> View:
    from rich.console import Console

    if as_json:
        return JsonLines()
    console = Console(stderr=True)
    return (
        LiveTable(console) if console.is_terminal and not console.is_dumb_terminal else PlainLines()
    )


def _name_some(jobs: Sequence[str]) -> str:
    named = " ".join(job[:SHORT_ID] for job in jobs[:_MOST_NAMED])
    return f"{named} and {len(jobs) - _MOST_NAMED:,} more" if len(jobs) > _MOST_NAMED else named
