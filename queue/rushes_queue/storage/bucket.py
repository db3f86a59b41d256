"""A storage in a bucket: of Amazon S3, or of any store that speaks its protocol.

Over boto3, since Celery's workers fork: obstore, tried first, hangs in a child whose parent has
used it, and s3fs refuses to work there. Here each process makes a client of its own.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict, TypeVar

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from rushes.errors import ConfigError, InputError
from rushes_queue.storage.bucket_errors import (
    BUCKET_ERRORS,
    is_absent,
    is_passing,
    status_and_code,
    translate,
)
from rushes_queue.storage.errors import StorageError
from rushes_queue.storage.keys import check_key, is_key
from rushes_queue.storage.source_file import SourceFile
from rushes_queue.storage.storage import LARGEST_READ, Entry, Storage
from rushes_queue.storage.url import BucketPlace
from rushes_queue.storage.whole_files import write_whole

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ENDPOINT_VARIABLES = ("RUSHES_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_DEFAULT_REGION = "us-east-1"  # signatures need one; stores other than Amazon's ignore it
_PART = 8 * 2**20  # bytes; larger objects are sent in parts
_MOST_PARTS = 9_000  # of the 10,000 that S3 allows
_PARTS_AT_ONCE = 4
_ATTEMPTS = 3  # of one request, by botocore; then the whole operation is tried again
_LONGEST_PAUSE = 5.0  # seconds
_WRITER = "writer"  # metadata by which a writer recognises its own object


class _Place(TypedDict):
    """The arguments by which boto3 identifies an object."""

    Bucket: str
    Key: str


class BucketStorage(Storage):
    """Objects of one bucket below a prefix."""

    def __init__(
        self,
        place: BucketPlace,
        endpoint: str | None,
        region: str | None,
        patience_seconds: float,
    ) -> None:
        """Store the bucket's place; nothing is requested yet.

        Raises: ConfigError.
        """
        super().__init__("/".join(filter(None, (f"s3://{place.bucket}", place.prefix))))
        variables = map(os.environ.get, _ENDPOINT_VARIABLES)
        self._endpoint = endpoint or next(filter(None, variables), None)
        if self._endpoint and not self._endpoint.startswith(("http://", "https://")):
            raise ConfigError(
                f"the S3 endpoint {self._endpoint!r} is not an address; write http://host:port or "
                "https://host"
            )
        self._bucket = place.bucket
        self._prefix = f"{place.prefix}/" if place.prefix else ""
        self._region = region or os.environ.get("AWS_REGION")
        self._patience_seconds = patience_seconds
        self._clients: dict[int, S3Client] = {}

    def put_source(self, key: str, source: SourceFile, *, is_private: bool = False) -> None:
        place = self._place(key)
        transfer = _transfer(source.size)

        def put() -> None:
            source.rewind()
            self._client().upload_fileobj(source, **place, Config=transfer)  # type: ignore[arg-type]

        self._try(key, put)

    def put_bytes(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        place = self._place(key)
        token = secrets.token_hex(16)

        def put() -> bool:
            if not if_absent:
                self._client().put_object(**place, Body=data)
                return True
            try:
                self._client().put_object(
                    **place, Body=data, IfNoneMatch="*", Metadata={_WRITER: token}
                )
            except ClientError as error:
                if status_and_code(error)[0] != 412:
                    raise
                # It may be our own, from a request whose answer was lost.
                return self._client().head_object(**place)["Metadata"].get(_WRITER) == token
            return True

        return self._try(key, put)

    def get_bytes(self, key: str, max_bytes: int = LARGEST_READ) -> bytes:
        place = self._place(key)

        def get() -> bytes:
            answer = self._client().get_object(**place)
            with answer["Body"] as body:
                if answer["ContentLength"] > max_bytes:
                    raise StorageError(
                        f"{key}: has {answer['ContentLength']:,} bytes; at most {max_bytes:,} are "
                        "allowed"
                    )
                return body.read()

        return self._try(key, get)

    def get_file(self, key: str, path: Path) -> None:
        place = self._place(key)

        def get(file: BinaryIO) -> None:
            file.seek(0)
            file.truncate()
            self._client().download_fileobj(**place, Fileobj=file, Config=_transfer(0))

        try:
            write_whole(path, lambda file: self._try(key, lambda: get(file)))
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error

    def entry(self, key: str) -> Entry | None:
        place = self._place(key)

        def head() -> Entry | None:
            try:
                answer = self._client().head_object(**place)
            except ClientError as error:
                if is_absent(error):
                    return None
                raise
            return Entry(key, answer["ContentLength"], answer["LastModified"])

        return self._try(key, head)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        start = self._prefix
        if prefix:
            own = self.entry(prefix)
            if own is not None:
                yield own
            start = f"{start}{prefix}/"
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Prefix": start}
        while True:
            page = self._try(
                prefix or "the list", lambda: self._client().list_objects_v2(**arguments)
            )
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self._prefix)
                if is_key(key):
                    yield Entry(key, found["Size"], found["LastModified"])
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, prefix: str) -> int:
        check_key(prefix)
        num_removed = 0
        # One by one: not every store supports the request that removes many.
        for entry in self.list(prefix):
            self._try(entry.key, partial(self._delete_one, entry.key))
            num_removed += 1
        return num_removed

    def _delete_one(self, key: str) -> None:
        self._client().delete_object(**self._place(key))

    def touch(self, key: str) -> None:
        place = self._place(key)
        # A copy onto itself; stores refuse one that changes only the time.
        self._try(
            key,
            lambda: self._client().copy(
                CopySource={"Bucket": place["Bucket"], "Key": place["Key"]},
                **place,
                ExtraArgs={"MetadataDirective": "REPLACE"},
            ),
        )

    def free_space(self) -> int | None:
        return None

    def leftovers(self, before: datetime) -> Iterator[Entry]:
        """Yield unfinished multipart uploads, which the store keeps and charges for.

        Their sizes are unknown. Some stores do not list them.
        """
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix}
        while True:
            try:
                page = self._client().list_multipart_uploads(**arguments)
            except BUCKET_ERRORS as error:
                logger.warning("storage %s does not list unfinished uploads: %s", self.url, error)
                return
            for upload in page.get("Uploads", ()):
                if upload["Initiated"] < before:
                    key = upload["Key"].removeprefix(self._prefix)
                    yield Entry(f"{key}#{upload['UploadId']}", 0, upload["Initiated"])
            if not page.get("IsTruncated"):
                return
            arguments["KeyMarker"] = page["NextKeyMarker"]
            arguments["UploadIdMarker"] = page["NextUploadIdMarker"]

    def remove_leftover(self, leftover: Entry) -> None:
        key, _, upload_id = leftover.key.rpartition("#")
        place = _Place(Bucket=self._bucket, Key=self._prefix + key)

        def abort() -> None:
            try:
                self._client().abort_multipart_upload(**place, UploadId=upload_id)
            except ClientError as error:
                if status_and_code(error)[1] != "NoSuchUpload":
                    raise

        self._try(key, abort)

    def _place(self, key: str) -> _Place:
        return _Place(Bucket=self._bucket, Key=self._prefix + check_key(key))

    def _try(self, key: str, do: Callable[[], T]) -> T:
        """Run a request, retry passing faults, and raise our own errors."""
        retrying = Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait_random_exponential(multiplier=0.2, max=_LONGEST_PAUSE),
            stop=stop_after_delay(self._patience_seconds),
            before_sleep=self._note_retry,
            reraise=True,
        )
        try:
            return retrying(do)
        except ClientError as error:
            if is_absent(error):
                raise self.missing(key) from error
            raise translate(error, self.url, key) from error
        except BUCKET_ERRORS as error:
            raise translate(error, self.url, key) from error

    def _note_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning("storage %s: %s; trying again", self.url, error)

    def _client(self) -> S3Client:
        """Return this process's client; connections do not survive a fork."""
        client = self._clients.get(os.getpid())
        if client is None:
            client = self._clients.setdefault(os.getpid(), self._connect())
        return client

    def _connect(self) -> S3Client:
        session = boto3.session.Session()
        return session.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=self._region or session.region_name or _DEFAULT_REGION,
            config=Config(
                # Buckets as host names need a wildcard DNS entry, which few other stores have.
                s3={"addressing_style": "path" if self._endpoint else "auto"},
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                connect_timeout=10,
                read_timeout=30,
                tcp_keepalive=True,
                max_pool_connections=16,
                # Newer checksums, which older stores do not know, only where they are required.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


def _transfer(size: int) -> TransferConfig:
    """Return how files are transferred: a few parts at once, each in memory."""
    transfer = TransferConfig(
        multipart_threshold=_PART,
        multipart_chunksize=max(_PART, size // _MOST_PARTS + 1),
        max_concurrency=_PARTS_AT_ONCE,
    )
    transfer.max_in_memory_upload_chunks = _PARTS_AT_ONCE
    return transfer
