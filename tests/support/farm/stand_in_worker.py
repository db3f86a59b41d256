"""A process that says it is a worker, for tests of who starts and stops workers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress

from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.errors import BrokerError
from rushes_queue.local.machine_settings import load_settings


def main() -> None:
    """Keep house until SIGTERM; with the argument ``--broken``, end at once with an error."""
    if "--broken" in sys.argv:
        sys.exit("this worker is broken")
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    settings = load_settings()
    store = JobRecords.open(settings.broker_url.get_secret_value(), settings.key_prefix)
    name = f"stand-in-{os.getpid()}"
    info = WorkerInfo(
        name=name,
        host=socket.gethostname(),
        pid=os.getpid(),
        version="1",
        max_schema=1,
        started_ms=0,
    )
    while not is_over.wait(0.2):
        with suppress(BrokerError):  # it may be away, as for a real worker
            store.workers.heartbeat(info, ttl_ms=2000)
    with suppress(BrokerError):
        store.workers.leave(name)


if __name__ == "__main__":
    main()
