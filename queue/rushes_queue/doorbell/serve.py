"""A Celery worker that listens for doorbells: one parent, one child that takes the jobs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celery import signals
from celery.exceptions import SecurityWarning
from celery.worker import state

from rushes_queue.doorbell.app import make_app
from rushes_queue.doorbell.tasks import ChildPool, QuietWorker, SturdyConsumer, install_task
from rushes_queue.doorbell.transport import on_unreadable
from rushes_queue.settings.model import Settings

_TRANSPORT = "rushes_queue.doorbell.transport:Transport"


@dataclass(frozen=True)
class Callbacks:
    """What a worker does when something happens; all but ``take_job`` run in the parent."""

    take_job: Callable[[], None]  # in the child, for every doorbell
    ready: Callable[[], None]
    child_lost: Callable[[str], None]  # with what Celery says about it
    unreadable: Callable[[str, str], None]  # with the reason and the message


def serve(settings: Settings, name: str, queues: Sequence[str], callbacks: Callbacks) -> int:
    """Listen until ``stop`` is called; return the exit code."""
    # It is about pickle, which we do not accept.
    warnings.simplefilter("ignore", SecurityWarning)
    app = make_app(settings)
    # Only here: a process that only sends messages needs no protection from them.
    app.conf.broker_transport = _TRANSPORT
    install_task(app, callbacks.take_job)
    on_unreadable(callbacks.unreadable)

    def when_ready(**_: Any) -> None:
        callbacks.ready()

    def when_child_lost(exception: BaseException | None = None, **_: Any) -> None:
        callbacks.child_lost(str(exception))

    signals.worker_ready.connect(when_ready, weak=False)
    signals.task_failure.connect(when_child_lost, weak=False)
    worker = QuietWorker(
        app=app,
        hostname=name,
        queues=",".join(queues),
        pool=ChildPool,
        consumer_cls=SturdyConsumer,
        loglevel="WARNING",
        quiet=True,  # no banner: standard output is for data
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def stop(code: int = 0) -> None:
    """End ``serve`` with this exit code as soon as the child has finished what it is doing."""
    state.should_stop = code
