"""Errors of a job, and of the broker that keeps its record."""

from __future__ import annotations

from rushes.errors import RushesError, TransientError


class JobError(RushesError):
    """An error of one job; ``job`` is its id where known."""

    def __init__(self, message: str, *, job: str = "") -> None:
        super().__init__(message)
        self.job = job


class UnknownJobError(JobError):
    """There is no job with this id."""

    exit_code = 4


class AmbiguousJobError(JobError):
    """The prefix of an id is too short, or fits several jobs."""

    exit_code = 2


class JobConflictError(JobError):
    """The job is in a state, or has a document, that does not allow this."""

    exit_code = 6


class JobTimeoutError(JobError):
    """A job has not ended within the time that was given for it."""

    exit_code = 8


class FencedError(JobError):
    """The attempt no longer holds the job; it can change nothing any more."""


class DocumentError(JobError):
    """A job document cannot be read, or is not valid."""

    exit_code = 3


class NewerDocumentError(JobError):
    """A job document was written by a newer version; a newer worker can take the job."""

    exit_code = 3

    def __init__(self, message: str, *, job: str = "", schema_version: int = 0) -> None:
        super().__init__(message, job=job)
        self.schema_version = schema_version


class WorkerRestsError(JobError):
    """A worker has lost too many jobs in a row and gets no more for a while."""

    def __init__(self, message: str, *, job: str = "", seconds: float = 0.0) -> None:
        super().__init__(message, job=job)
        self.seconds = seconds


class BrokerError(TransientError):
    """The broker cannot be reached, or does not answer."""

    exit_code = 5


class BrokerAnswerError(BrokerError):
    """The broker gives an answer that nobody expects; asking again is of little use."""

    retryable = False


class BrokerFullError(TransientError):
    """The broker has no memory left for another job."""
