"""The command line, and the farm that renders queued timelines.

What programs need of a farm is here (``docs/python.md``), imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.lazy import lazy_names

if TYPE_CHECKING:
    from rushes_queue.broker.live_workers import LiveWorker
    from rushes_queue.broker.preview import NoFrameError
    from rushes_queue.broker.replies import Change
    from rushes_queue.client.answers import (
        FarmStats,
        FetchedJob,
        JobLine,
        JobStatus,
        Submitted,
    )
    from rushes_queue.client.farm import Farm
    from rushes_queue.client.json_forms import to_json
    from rushes_queue.errors import (
        AmbiguousJobError,
        BrokerError,
        BrokerFullError,
        DocumentError,
        JobConflictError,
        JobError,
        JobTimeoutError,
        UnknownJobError,
    )
    from rushes_queue.jobs.record import JobRecord
    from rushes_queue.jobs.states import State
    from rushes_queue.storage.errors import StorageError

__all__ = [
    "AmbiguousJobError",
    "BrokerError",
    "BrokerFullError",
    "Change",
    "DocumentError",
    "Farm",
    "FarmStats",
    "FetchedJob",
    "JobConflictError",
    "JobError",
    "JobLine",
    "JobRecord",
    "JobStatus",
    "JobTimeoutError",
    "LiveWorker",
    "NoFrameError",
    "State",
    "StorageError",
    "Submitted",
    "UnknownJobError",
    "to_json",
]

_ANSWERS = ("FarmStats", "FetchedJob", "JobLine", "JobStatus", "Submitted")
_HOMES = {
    **dict.fromkeys((name for name in __all__ if name.endswith("Error")), "rushes_queue.errors"),
    **dict.fromkeys(_ANSWERS, "rushes_queue.client.answers"),
    "Change": "rushes_queue.broker.replies",
    "Farm": "rushes_queue.client.farm",
    "JobRecord": "rushes_queue.jobs.record",
    "LiveWorker": "rushes_queue.broker.live_workers",
    "NoFrameError": "rushes_queue.broker.preview",
    "State": "rushes_queue.jobs.states",
    "StorageError": "rushes_queue.storage.errors",
    "to_json": "rushes_queue.client.json_forms",
}


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
