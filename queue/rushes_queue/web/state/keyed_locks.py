"""One lock for each thing that is asked for, so that nobody waits for what others ask for."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST_KEPT = 1000


class KeyedLocks:
    """Locks by name; those that were not used the longest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: OrderedDict[str, threading.Lock] = OrderedDict()

    def of(self, name: str) -> threading.Lock:
        """Return the lock of this name."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
            self._locks.move_to_end(name)
            if len(self._locks) > _MOST_KEPT:
                oldest = next(iter(self._locks))
                if not self._locks[oldest].locked():
                    del self._locks[oldest]
            return lock
