"""Notifications that a job has ended: a POST to web addresses, and a command on this machine.

Addresses in a job document are untrusted, so they may not lead into a private network unless
``allow_private_webhooks`` is set; those in the settings may. All notifications together take at
most ten seconds, and a failure here never affects the job.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rushes
from rushes.errors import RushesError
from rushes.text import printable, shortened
from rushes_queue.farm.webhook import hide_path, post
from rushes_queue.jobs.public_json import SCHEMA_VERSION, to_json

if TYPE_CHECKING:
    from rushes_queue.jobs.document import JobDocument
    from rushes_queue.jobs.record import JobRecord
    from rushes_queue.settings.model import Settings

logger = logging.getLogger(__name__)

BUDGET_SECONDS = 10.0

_TRY_SECONDS = 5.0
_DELAYS_SECONDS = (0.5, 2.0)  # before the second and the third try


def notify(
    document: JobDocument | None,
    record: JobRecord,
    settings: Settings,
    *,
    budget_seconds: float = BUDGET_SECONDS,
) -> tuple[str, ...]:
    """Send all notifications of a job at once; return the failures, one line each.

    ``document`` is None if it could not be read; its addresses are called unless the record has
    others. Never raises.
    """
    try:
        return _notify(document, record, settings, budget_seconds)
    except Exception as error:  # whatever it is: the job has ended all the same
        logger.exception("job %s: the notification failed", record.id)
        return (f"the notification failed: {type(error).__name__}",)


def notification(record: JobRecord) -> dict[str, Any]:
    """Return the JSON of a notification."""
    return {
        "schema_version": SCHEMA_VERSION,
        "event": f"job.{record.state}",
        "job": to_json(record),
    }


def _notify(
    document: JobDocument | None, record: JobRecord, settings: Settings, budget_seconds: float
) -> tuple[str, ...]:
    body = json.dumps(notification(record)).encode()
    deadline = time.monotonic() + budget_seconds
    tasks: dict[str, Callable[[], None]] = {}
    own = {url.get_secret_value(): True for url in settings.notify}
    urls = record.notify
    if urls is None:
        urls = document.notify if document is not None else ()
    asked = dict.fromkeys(urls, settings.allow_private_webhooks)
    for number, (url, is_private_allowed) in enumerate((asked | own).items(), 1):
        name = f"{hide_path(url)} ({number})"
        tasks[name] = _poster(url, body, is_private_allowed, deadline)
    if settings.notify_command:
        tasks[settings.notify_command[0]] = _runner(settings.notify_command, body, deadline)
    return _run_all(tasks, deadline, record.id)


def _run_all(tasks: dict[str, Callable[[], None]], deadline: float, job: str) -> tuple[str, ...]:
    """Run all at the same time; those that miss the deadline are given up."""
    faults: dict[str, str] = dict.fromkeys(tasks, "takes too long")

    def run(name: str, task: Callable[[], None]) -> None:
        try:
            task()
            faults.pop(name, None)
        except (RushesError, OSError, subprocess.SubprocessError) as error:
            faults[name] = shortened(printable(str(error)), 500)

    threads = [
        threading.Thread(target=run, args=item, name="notify", daemon=True)
        for item in tasks.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    told = tuple(f"{printable(name)}: {fault}" for name, fault in faults.copy().items())
    for line in told:
        logger.warning("job %s: notification failed: %s", job, line)
    return told


def _poster(url: str, body: bytes, is_private_allowed: bool, deadline: float) -> Callable[[], None]:
    headers = {"Content-Type": "application/json", "User-Agent": f"rushes/{rushes.__version__}"}

    def send() -> None:
        delays = iter(_DELAYS_SECONDS)
        while True:
            try:
                post(
                    *(url, body, headers),
                    timeout_seconds=max(min(_TRY_SECONDS, deadline - time.monotonic()), 0.1),
                    is_private_allowed=is_private_allowed,
                )
                return
            except RushesError as error:
                delay = next(delays, None)
                if delay is None or not error.retryable or time.monotonic() + delay > deadline:
                    raise
            time.sleep(delay)

    return send


def _runner(command: tuple[str, ...], body: bytes, deadline: float) -> Callable[[], None]:
    def run() -> None:
        done = subprocess.run(
            command,
            input=body,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=max(deadline - time.monotonic(), 0.1),
            check=False,
        )
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            last = f": {words[-1]}" if words else ""
            raise OSError(f"ends with exit code {done.returncode}{last}")

    return run
