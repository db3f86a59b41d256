"""The Celery application: doorbells that say "there is work", and nothing else.

A message carries the id of a job, and losing it loses nothing: the truth is the job's record
(``broker.job_records``), from which every worker can claim, and for which the sweep rings again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from celery import Celery
from kombu.exceptions import OperationalError

from rushes_queue.broker.replies import Bell

if TYPE_CHECKING:
    from rushes_queue.settings.model import Settings

logger = logging.getLogger(__name__)

RENDER_TASK = "rushes.render"
MESSAGE_SCHEMA = 1
BELLS = "bell:"  # what the broker's lists of messages start with, behind our own prefix


def make_app(settings: Settings) -> Celery:
    """Return the application on the broker of these settings; nothing is connected yet."""
    app = Celery("rushes", set_as_current=False, fixups=[])
    app.conf.update(celery_settings(settings))
    return app


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Return Celery's settings, each with its reason."""
    return {
        "broker_url": broker_url_of(settings.broker_url.get_secret_value()),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a broker may be away for long; by default 100
        "broker_transport_options": {
            # Messages come again after this time; the claim drops them, so it may be any.
            "visibility_timeout": settings.visibility_seconds,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # Without a time-out a dead connection is waited for, for ever.
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": True,
            "queue_order_strategy": "priority",  # queues are served in the order they are named
            "global_keyprefix": f"{settings.key_prefix}{BELLS}",
        },
        # A job holds its message until it ends, and the worker reserves no other one: what waits
        # stays where priority, cancellation and other workers can see it.
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": 1,
        "worker_pool": "prefork",  # a crash in native code kills the child, not the worker
        # Redelivery knows no bound; the sweep does (and counts).
        "task_reject_on_worker_lost": False,
        "task_acks_on_failure_or_timeout": True,
        # True kills the job and forgets its message when the broker is away for a moment.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_proc_alive_timeout": 600,  # a slow start of a child is not a fault
        "worker_max_tasks_per_child": None,  # the networks stay loaded
        "task_time_limit": None,
        "task_soft_time_limit": None,
        # No results: the record has them. No ETA: such a message waits in a worker's memory.
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": "default",
        "task_create_missing_queues": True,
        "task_publish_retry": True,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.1},
        "worker_hijack_root_logger": False,
        "worker_send_task_events": True,  # for Flower, which shows doorbells
        "worker_enable_remote_control": True,
        "enable_utc": True,
    }


def broker_url_of(url: str) -> str:
    """Return a URL in kombu's spelling, in which a socket's is redis+socket."""
    if not url.startswith("unix://"):
        return url
    parts = urlsplit(url)
    database = parse_qs(parts.query).get("db", ["0"])[0]
    user, at, _ = parts.netloc.rpartition("@")
    return f"redis+socket://{user}{at}{parts.path}?virtual_host={database}"


class Doorbell:
    """Sends the messages that say "there is work"."""

    def __init__(self, settings: Settings) -> None:
        self._app = make_app(settings)

    def ring(self, bells: Iterable[Bell]) -> bool:
        """Send the messages for these bells; return False when the broker did not take them all.

        Losing some does no harm: the sweep rings again for whatever waits.
        """
        bells = tuple(bells)
        if not bells:
            return True
        try:
            # of connections that stay open
            with self._app.producer_pool.acquire(block=True) as producer:
                for bell in bells:
                    body = {"job_id": bell.job, "schema": MESSAGE_SCHEMA}
                    self._app.send_task(
                        RENDER_TASK, kwargs=body, queue=bell.queue, producer=producer
                    )
        except (OperationalError, OSError) as error:
            logger.warning("the doorbell could not be rung: %s", error)
            return False
        return True
