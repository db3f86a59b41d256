"""What users change about a job: cancel, pause, resume, retry, priority, forget."""

from __future__ import annotations

from rushes_queue.broker.replies import Change, to_change
from rushes_queue.broker.scripts import Scripts
from rushes_queue.errors import JobConflictError, JobError
from rushes_queue.jobs.find_id import refuse_unknown
from rushes_queue.jobs.queue_names import PRIORITIES, Priority


class JobChanges:
    """Changes that users ask for; each is one atomic step.

    Every method raises BrokerError when the broker cannot be reached, and UnknownJobError when
    there is no such job.
    """

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def cancel(self, job: str) -> Change:
        """Cancel a job, or ask it to stop. Raises: JobConflictError when it is done."""
        return self._ask("set_aside", job, "cancelled", "cancel")

    def pause(self, job: str) -> Change:
        """Pause a job, or ask it to pause. Raises: JobConflictError when it has ended."""
        return self._ask("set_aside", job, "paused", "pause")

    def resume(self, job: str) -> Change:
        """Queue a paused job, or withdraw the request. Raises: JobConflictError when it ended."""
        return self._ask("resume", job, "resumed")

    def retry(self, job: str, *, from_start: bool = False) -> Change:
        """Queue a job that failed, was cancelled or quarantined; its failures no longer count.

        It continues from its save points, unless ``from_start``. Jobs that failed because of it
        are queued again too.
        Raises: JobConflictError when it runs, is paused or done, or depends on one that failed.
        """
        return self._ask("retry", job, "retried", int(from_start))

    def set_priority(self, job: str, priority: Priority) -> Change:
        """Move a job into another queue. Raises: JobConflictError when it has ended."""
        if priority not in PRIORITIES:
            raise JobError(
                f"{priority!r} is not a priority; write {', '.join(PRIORITIES)}", job=job
            )
        return self._ask("set_priority", job, "given another priority", priority)

    def forget(self, job: str) -> Change:
        """Remove the record of a job that has ended. Raises: JobConflictError when it has not."""
        return self._ask("forget", job, "forgotten")

    def _ask(self, script: str, job: str, wish: str, *args: str | int) -> Change:
        """Run what a user asks for."""
        reply = self._scripts.run(script, job, *args)
        match reply:
            case ["unknown", *_]:
                refuse_unknown(job)
            case ["refused", state, *_]:
                raise JobConflictError(f"job {job}: is {state} and cannot be {wish}", job=job)
            case ["vain", other, state, *_]:
                cure = (
                    "submit it with --new, without that one"
                    if state == "unknown"
                    else f"rushes retry {other} brings both back"
                )
                raise JobConflictError(
                    f"job {job}: waits for job {other}, which is {state}; {cure}", job=job
                )
        return to_change(job, reply)
