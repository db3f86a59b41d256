"""The Celery application: doorbells that say "there is work", and nothing else.

A message carries the id of a job, and losing one does no harm: the job's record
(``broker.job_records``) is authoritative, any worker can claim it, and the sweep rings again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from celery import Celery
from kombu.exceptions import OperationalError

from rushes_queue.broker.address import tls_options
from rushes_queue.broker.replies import Bell

if TYPE_CHECKING:
    from kombu.messaging import Producer

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
        "broker_connection_max_retries": None,  # a broker may be down for long; the default is 100
        "broker_transport_options": {
            # Messages are redelivered after this time; a claim ignores them, so any value works.
            "visibility_timeout": settings.visibility_seconds,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # Without a time-out a dead connection blocks for ever.
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": True,
            "queue_order_strategy": "priority",  # queues are served in the order they are named
            "global_keyprefix": f"{settings.key_prefix}{BELLS}",
        },
        # A job holds its message until it ends, and the worker reserves no other: waiting jobs stay
        # visible to priorities, cancellation and other workers.
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": 1,
        "worker_pool": "prefork",  # a crash in native code kills the child, not the worker
        # Celery redelivers without limit; the sweep counts and limits.
        "task_reject_on_worker_lost": False,
        "task_acks_on_failure_or_timeout": True,
        # True would kill the job when the broker is briefly unreachable.
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
    """Return a URL as kombu spells it: redis+socket for a socket; certificates are looked at."""
    if url.startswith("rediss://"):  # where kombu would check no certificate unless told so
        options = {"ssl_cert_reqs": "required"} | tls_options(url)
        return f"{url.partition('?')[0]}?{urlencode(options, safe='/:')}"
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
        """Send the messages for these bells; return False when the broker did not take all of them.

        Losing some does no harm: the sweep rings again for waiting jobs.
        """
        bells = tuple(bells)
        if not bells:
            return True
        try:
            # its connections stay open
            with self._app.producer_pool.acquire(block=True) as producer:
                for bell in bells:
                    self._send(producer, bell)
        except (OperationalError, OSError) as error:
            logger.warning("the doorbell could not be rung: %s", error)
            return False
        return True

    def _send(self, producer: Producer, bell: Bell) -> None:
        """Send a task message with what a worker and Flower read of it, not all that Celery writes.

        Source: celery: docs/internals/protocol.rst (version 2: headers, and args, kwargs, embed)
        """
        producer.publish(  # type: ignore[no-untyped-call]
            [[], {"job_id": bell.job, "schema": MESSAGE_SCHEMA}, {}],
            exchange="",
            routing_key=bell.queue,
            serializer="json",
            headers={
                "lang": "py",
                "task": RENDER_TASK,
                "id": token_hex(8),
                "kwargsrepr": f"{{'job_id': '{bell.job}'}}",
            },
            retry=True,
            retry_policy=self._app.conf.task_publish_retry_policy,
        )
