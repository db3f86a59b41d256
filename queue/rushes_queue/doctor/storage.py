"""The storage: whether it keeps its promises, and has room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rushes.errors import ConfigError, RushesError
from rushes_queue.doctor.finding import Check, Finding, fault, ok, warning
from rushes_queue.settings.loaded import LoadedSettings
from rushes_queue.storage.open import open_storage
from rushes_queue.storage.url import FolderPlace, parse_storage_url

_PATIENCE_SECONDS = 10.0
_SLOW_SECONDS = 2.0
_GB = 1e9
_TIGHT, _TOO_TIGHT = 20 * _GB, 2 * _GB


def check_promises(loaded: LoadedSettings) -> Iterator[Finding]:
    """Write, create once, read back, list and delete; then check the free space."""
    settings = loaded.settings
    place = parse_storage_url(settings.storage_url)
    if isinstance(place, FolderPlace) and not Path(place.folder).exists():
        yield ok("storage", f"{place.folder}: does not exist yet; the first job makes it")
        return
    storage = open_storage(
        settings.storage_url,
        s3_endpoint=settings.s3_endpoint,
        s3_region=settings.s3_region,
        patience_seconds=_PATIENCE_SECONDS,
    )
    began = time.monotonic()
    try:
        storage.check()
    except ConfigError as error:
        yield fault("storage", str(error), "use a store with conditional writes; docs/farm.md")
        return
    except RushesError as error:
        yield fault("storage", str(error), "fix it, or set RUSHES_STORAGE_URL and RUSHES_S3_*")
        return
    seconds = time.monotonic() - began
    detail = f"{settings.storage_url} writes once, reads back and deletes, in {seconds:.2f} s"
    if seconds > _SLOW_SECONDS:
        yield warning("storage", detail, "check the network, or move the storage closer")
    else:
        yield ok("storage", detail)
    yield _room(storage.free_space())


def _room(free: int | None) -> Finding:
    if free is None:
        return ok("room", "limited by the owner of the bucket")
    detail = f"{free / _GB:,.0f} GB free"
    if free < _TOO_TIGHT:
        return fault("room", detail, "rushes prune, or more disk")
    if free < _TIGHT:
        return warning("room", detail, "rushes prune, or more disk")
    return ok("room", detail)


CHECKS: tuple[Check, ...] = (check_promises,)
