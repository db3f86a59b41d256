"""Opens the storage at a URL."""

from __future__ import annotations

from rushes_queue.storage.storage import Storage
from rushes_queue.storage.url import FolderPlace, parse_storage_url

PATIENCE_SECONDS = 60.0


def open_storage(
    url: str,
    *,
    s3_endpoint: str | None = None,
    s3_region: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Storage:
    """Open a storage by its URL; nothing is read or written yet.

    A bucket's credentials come from the usual ``AWS_*`` variables and files; endpoint and region
    from the arguments, else from ``RUSHES_S3_ENDPOINT`` and ``AWS_*``. Passing faults of a bucket
    are retried for ``patience_seconds``.

    Raises: ConfigError.
    """
    place = parse_storage_url(url)
    if isinstance(place, FolderPlace):
        from rushes_queue.storage.folder import FolderStorage

        return FolderStorage(place.folder)
    from rushes_queue.storage.bucket import BucketStorage

    return BucketStorage(place, s3_endpoint, s3_region, patience_seconds)
