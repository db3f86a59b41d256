"""Why the rendering child died: by itself, by a signal, or by the system's memory killer."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Literal

Cause = Literal["crash", "outside", "memory"]

# Signals of people and service managers. A process that crashes gets others: SEGV, BUS, ABRT.
_FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM})
_COUNTERS = Path("/proc/vmstat")  # Linux: counters of the kernel, for the whole machine
_SIGNAL = re.compile(
    r"signal (\d+)"
)  # the message of billiard: "Worker exited prematurely: signal 9 ..."


def count_memory_kills(counters: Path = _COUNTERS) -> int:
    """Return how many processes of this machine the kernel has killed for want of memory.

    Zero on systems that do not count them. Source: Linux: include/linux/vm_event_item.h, OOM_KILL;
    shown as oom_kill since 4.13.
    """
    try:
        lines = counters.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    fields = (line.split() for line in lines)
    return next((int(number) for name, number in fields if name == "oom_kill"), 0)


def cause_of(message: str, *, is_memory_short: bool) -> Cause:
    """Return why a child died, from Celery's message.

    ``is_memory_short``: the kernel has killed a process for want of memory meanwhile; it does so
    with SIGKILL.
    """
    found = _SIGNAL.search(message)
    number = int(found[1]) if found else 0
    if number == signal.SIGKILL and is_memory_short:
        return "memory"
    return "outside" if number in _FROM_OUTSIDE else "crash"
