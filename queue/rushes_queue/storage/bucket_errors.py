"""The errors of S3-compatible stores as ours."""

from __future__ import annotations

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from s3transfer.exceptions import RetriesExceededError

from rushes.errors import ConfigError, RushesError
from rushes.text import printable, shortened
from rushes_queue.storage.errors import (
    DiskFullError,
    StorageBusyError,
    StorageError,
    StorageUnreachableError,
)

BUCKET_ERRORS = (ClientError, BotoCoreError, Boto3Error, RetriesExceededError)

_NO_ANSWER = (NoConnectionError, HTTPClientError, IncompleteReadError, RetriesExceededError)
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_BUSY_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
}
_FULL_CODES = {"XMinioStorageFull", "InsufficientStorage", "InsufficientCapacity", "QuotaExceeded"}
_REFUSED_CODES = {"NoSuchBucket", "PermanentRedirect", "InvalidBucketName"}
_LONGEST_REASON = 300  # characters


def status_and_code(error: ClientError) -> tuple[int, str]:
    """Return the HTTP status and the store's own code."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status, error.response.get("Error", {}).get("Code", "")


def is_absent(error: ClientError) -> bool:
    """Say whether an object is missing; an answer to HEAD has only a status."""
    return status_and_code(error)[1] in ("NoSuchKey", "404", "NotFound")


def is_passing(error: BaseException) -> bool:
    """Say whether the same request may succeed in a moment."""
    if isinstance(error, ClientError):
        status, code = status_and_code(error)
        is_busy = status >= 500 or status == 429 or code in _BUSY_CODES
        return is_busy and not _is_full(status, code) and status != 501
    return isinstance(error, _NO_ANSWER) and not isinstance(error, SSLError)


def translate(error: Exception, storage: str, key: str) -> RushesError:
    """Return our error for one of boto3's."""
    place = f"storage {storage}: {key}"
    reason = shortened(printable(str(error)), _LONGEST_REASON)
    if isinstance(error, _NO_CREDENTIALS):
        return ConfigError(
            f"{place}: no credentials: {reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, _NO_ANSWER):
        return StorageUnreachableError(
            f"{place}: no answer: {reason}; check that the endpoint is right and running"
        )
    if not isinstance(error, ClientError):
        return ConfigError(f"{place}: {reason}")
    status, code = status_and_code(error)
    if _is_full(status, code):
        return DiskFullError(f"{place}: the store is full: {reason}; free some space and try again")
    if is_passing(error):
        return StorageBusyError(f"{place}: {reason}; try again later")
    if status in (401, 403) or code in _REFUSED_CODES:
        return StorageUnreachableError(
            f"{place}: refused: {reason}; check bucket, endpoint and credentials"
        )
    return StorageError(f"{place}: {reason}")


def _is_full(status: int, code: str) -> bool:
    return status == 507 or code in _FULL_CODES
