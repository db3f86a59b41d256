"""The Celery application with which workers listen for doorbells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from celery import Celery

from rushes_queue.broker.address import tls_options
from rushes_queue.doorbell.bells import BELLS

if TYPE_CHECKING:
    from rushes_queue.settings.model import Settings


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
