"""The place of a storage: a folder, or a bucket and a prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rushes.errors import ConfigError
from rushes_queue.storage.errors import InvalidKeyError
from rushes_queue.storage.keys import check_key

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_PREFIX = 300  # bytes; with the longest key it stays below the 1024 of S3
_FORMS = "write a folder, file:///folder or s3://bucket/prefix"


@dataclass(frozen=True)
class FolderPlace:
    """A folder on this machine, or mounted here."""

    folder: Path


@dataclass(frozen=True)
class BucketPlace:
    """A bucket of an S3-compatible store; ``prefix`` has no slash at its ends."""

    bucket: str
    prefix: str = ""


def parse_storage_url(url: str) -> FolderPlace | BucketPlace:
    """Return the place that a URL or a plain path names.

    Raises: ConfigError; its message has the URL only where that cannot reveal a password.
    """
    if not url.strip() or not url.isprintable():
        raise ConfigError(f"the storage URL is empty or cannot be printed; {_FORMS}")
    if "://" not in url:
        if re.match(r"(s3a?|file):", url):
            raise ConfigError(f"{url!r} is not a storage URL; {_FORMS}")
        return FolderPlace(_absolute(url))
    scheme, _, rest = url.partition("://")
    if "@" in rest.split("/")[0]:
        raise ConfigError(
            f"a storage URL ({scheme}://...) takes no user or password; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if scheme == "file":
        return FolderPlace(_folder_of(url))
    if scheme == "s3":
        return _bucket_of(url)
    raise ConfigError(f"{url!r}: storage of kind {scheme!r} is not known; {_FORMS}")


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ConfigError(f"{url!r} names a host; a local folder has three slashes: file:///folder")
    if parts.query or parts.fragment or not parts.path:
        raise ConfigError(f"{url!r} is not a URL of a folder; {_FORMS}")
    return _absolute(unquote(parts.path))


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:  # a ~ without a home
        raise ConfigError(f"{path!r}: {error}") from error


def _bucket_of(url: str) -> BucketPlace:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{url!r}: {bucket!r} is not a name of a bucket; {_FORMS}")
    prefix = prefix.strip("/")
    if not prefix:
        return BucketPlace(bucket)
    try:
        if len(check_key(prefix).encode()) > _LONGEST_PREFIX:
            raise ConfigError(f"{url!r}: the prefix is longer than {_LONGEST_PREFIX} bytes")
        return BucketPlace(bucket, prefix)
    except InvalidKeyError as error:
        raise ConfigError(f"{url!r}: {error}") from error
