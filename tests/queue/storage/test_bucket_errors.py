"""What an answer of a store means: try again, make room, mend a setting, or give up."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)

from rushes.errors import ConfigError, RushesError
from rushes_queue.storage.bucket_errors import is_absent, is_passing, status_and_code, translate
from rushes_queue.storage.errors import (
    DiskFullError,
    StorageBusyError,
    StorageError,
    StorageUnreachableError,
)


def answer(status: int, code: str = "", message: str = "for the test") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "PutObject",
    )


BUSY = [(503, "SlowDown"), (500, ""), (502, ""), (429, ""), (400, "RequestTimeout")]
BUSY += [(409, "OperationAborted"), (409, "ConditionalRequestConflict"), (400, "Throttling")]
FULL = [(507, ""), (507, "InsufficientStorage"), (500, "XMinioStorageFull"), (403, "QuotaExceeded")]
REFUSED = [(403, "AccessDenied"), (401, ""), (404, "NoSuchBucket"), (301, "PermanentRedirect")]
OTHER = [(400, "InvalidRequest"), (412, "PreconditionFailed"), (501, "NotImplemented")]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        *((*each, StorageBusyError) for each in BUSY),
        *((*each, DiskFullError) for each in FULL),
        *((*each, StorageUnreachableError) for each in REFUSED),
        *((*each, StorageError) for each in OTHER if each[0] != 501),
    ],
)
def test_an_answer_becomes_our_error(status: int, code: str, kind: type[RushesError]) -> None:
    error = translate(answer(status, code), "s3://films", "jobs/ab/job.json")
    assert type(error) is kind
    assert str(error).startswith("storage s3://films: jobs/ab/job.json: ")
    assert "for the test" in str(error)


@pytest.mark.parametrize(("status", "code"), BUSY)
def test_a_busy_store_is_asked_again(status: int, code: str) -> None:
    assert is_passing(answer(status, code))


@pytest.mark.parametrize(("status", "code"), FULL + REFUSED + OTHER)
def test_what_stays_wrong_is_not_asked_again(status: int, code: str) -> None:
    assert not is_passing(answer(status, code))


def test_a_store_without_an_answer_is_asked_again_unless_its_certificate_is_wrong() -> None:
    url = "https://127.0.0.1:1"
    for error in (EndpointConnectionError(endpoint_url=url), ReadTimeoutError(endpoint_url=url)):
        assert is_passing(error)
        assert type(translate(error, "s3://films", "a")) is StorageUnreachableError
    assert not is_passing(SSLError(endpoint_url=url, error=OSError("expired")))
    assert not is_passing(OSError("no room"))


def test_settings_that_are_wrong_are_told_with_the_cure() -> None:
    missing = translate(NoCredentialsError(), "s3://films", "a")
    assert type(missing) is ConfigError
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(missing)
    assert type(translate(ParamValidationError(report="bad"), "s3://films", "a")) is ConfigError


@pytest.mark.parametrize("code", ["NoSuchKey", "404", "NotFound"])
def test_a_missing_object_is_told_from_a_missing_bucket(code: str) -> None:
    assert is_absent(answer(404, code))
    assert not is_absent(answer(404, "NoSuchBucket"))


def test_an_answer_without_its_parts_is_of_no_kind() -> None:
    bare = ClientError({}, "GetObject")
    assert status_and_code(bare) == (0, "")
    assert not is_absent(bare)
    assert not is_passing(bare)


def test_what_a_store_says_is_shown_on_one_line_and_in_part() -> None:
    text = str(translate(answer(400, "Bad", "\x1b[2J\n" + "x" * 5000), "s3://films", "a"))
    assert text.isprintable()
    assert len(text) < 400
