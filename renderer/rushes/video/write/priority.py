"""Keep encoders from making the process real-time.

SVT-AV1 gives the thread that opens it, and its own threads, the highest real-time priority when
it runs as root (``svt_av1_enc_init`` and ``svt_create_thread`` in its sources). All else on the
machine, and each process started later, then waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def kept_priority() -> Iterator[None]:
    """Give all threads of this process the scheduling of the calling one when the block ends."""
    if not hasattr(os, "sched_getscheduler"):  # such priorities are Linux's
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in map(int, os.listdir("/proc/self/task")):
            with suppress(ProcessLookupError):  # it has just ended
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, parameters)
