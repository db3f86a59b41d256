"""The lines that a worker logs about a job, for ``rushes logs``."""

from __future__ import annotations

import logging

from rushes.errors import RushesError
from rushes_queue.broker.job_records import JobRecords

logger = logging.getLogger(__name__)


class JobLog:
    """Lines in the events of one job; while the broker is away lines are lost, not the job."""

    def __init__(self, store: JobRecords, job: str, attempt: int) -> None:
        self._store, self._job, self._attempt = store, job, attempt

    def say(self, message: str, level: str = "info") -> None:
        """Log a line, here and in the broker."""
        extra = {"job": self._job, "attempt": self._attempt}
        logger.log(getattr(logging, level.upper()), "job %s: %s", self._job, message, extra=extra)
        fields = {"level": level, "message": message, "attempt": self._attempt}
        try:
            self._store.events.add(self._job, "log", fields)
        except RushesError as error:
            logger.warning("job %s: its log cannot be written: %s", self._job, error)
