"""Celery's side of a worker: a doorbell rings, and the best waiting job is taken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.apps.worker import Worker
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.worker.consumer import Consumer

from rushes_queue.doorbell.bells import RENDER_TASK
from rushes_queue.doorbell.transport import report_unreadable

logger = logging.getLogger(__name__)

_SECONDS_TO_DIE = 5.0


def install_task(app: Celery, take_job: Callable[[], None]) -> None:
    """Let ``take_job`` run in the child for every doorbell.

    The message names a job, but only means "there is work": the records decide which job is taken.
    """

    @app.task(name=RENDER_TASK, ignore_result=True)
    def render(*args: object, **kwargs: object) -> None:  # whatever the message says
        take_job()


class QuickReapingPool(AsynPool):  # type: ignore[misc]  # celery ships no types
    """Notices at once that a child died; Celery's own pool may take five seconds.

    That one checks when a child's pipe closes, a moment before the child can be waited for, and
    then only at its next regular check.
    """

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        proc.join(_SECONDS_TO_DIE)
        super()._event_process_exit(hub, proc)


class ChildPool(TaskPool):  # type: ignore[misc]  # celery ships no types
    """The pool of one child that renders."""

    Pool = QuickReapingPool


class QuietWorker(Worker):  # type: ignore[misc]  # celery ships no types
    """A worker that leaves signals to us: Celery's handlers print to standard output."""

    def install_platform_tweaks(self, worker: Worker) -> None:
        pass


class SturdyConsumer(Consumer):  # type: ignore[misc]  # celery ships no types
    """A consumer that reports messages that are not doorbells, and drops them."""

    def on_unknown_message(self, body: Any, message: Any) -> None:
        report_unreadable("it is not a task", body)
        message.ack_log_error(logger, self.connection_errors)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        report_unreadable(f"its task is unknown: {exc}", body)
        message.ack_log_error(logger, self.connection_errors)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        report_unreadable(f"its task is invalid: {exc}", body)
        message.ack_log_error(logger, self.connection_errors)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        report_unreadable(f"it cannot be decoded: {exc}", message.body)
        message.ack()
