"""Follow jobs until all have ended, and return an exit code that says how."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.jobs.watch_view import JsonLines, LiveTable, PlainLines, View
from rushes_queue.cli.show.console import error_json, print_json_errors, say
from rushes_queue.cli.show.job_view import SHORT_ID
from rushes_queue.client.watch import GONE_SECONDS, Watch
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords

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
    watch = Watch(store, jobs, timeout_seconds=timeout_seconds, gone_seconds=gone_seconds)
    try:
        with _choose_view(as_json) as view:
            for look in watch.looks():
                view.show(look.records, look.is_there)
            code = _code_of(watch)
            view.end(code)
    except KeyboardInterrupt:
        said = f"detached; the jobs go on: rushes watch {_name_some(watch.left)}"
        say(said)
        if as_json:
            print_json_errors([error_json(said, exit_codes.INTERRUPTED)])
        return exit_codes.INTERRUPTED
    if code == exit_codes.TIMED_OUT:
        say(f"not ended after {timeout_seconds:g} s; the jobs go on: {_name_some(watch.left)}")
    return code


def exit_code_of(states: Collection[State]) -> int:
    """Return the exit code for how some jobs ended."""
    if State.FAILED in states or State.QUARANTINED in states:
        return exit_codes.FAILED
    if State.CANCELLED in states:
        return exit_codes.PARTIAL if State.DONE in states else exit_codes.CANCELLED
    return exit_codes.OK


def _code_of(watch: Watch) -> int:
    if watch.is_timed_out:
        return exit_codes.TIMED_OUT
    if lost := watch.lost:
        say(f"error: no record any more of {_name_some(lost)}; see rushes reconcile")
        return exit_codes.NOT_FOUND
    return exit_code_of(watch.states)


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
