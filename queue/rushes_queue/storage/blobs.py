"""Files in a storage, named by content: ``blobs/<first two digits>/<SHA-256>``.

An input of a thousand jobs is stored once, and fetched once by each machine.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rushes.errors import InputError
from rushes.files.atomic import give_name, remove_old_temporaries, temporary_beside
from rushes.files.hashes import sha256_of
from rushes_queue.storage.errors import DamagedBlobError, MissingKeyError
from rushes_queue.storage.source_file import SourceFile
from rushes_queue.text_fields import FileName

if TYPE_CHECKING:
    from rushes_queue.storage.storage import Storage

BLOBS = "blobs"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

# A blob that a new job uses is touched, so that pruning spares it until the job's document is
# stored. Not each time: on a bucket that is a copy.
_FRESH = timedelta(hours=1)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


class BlobRef(BaseModel):
    """A file in storage, by content; ``name`` is its original name, without a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sha256: Sha256
    size: int = Field(ge=0, le=2**50)
    name: FileName


def blob_key(sha256: str) -> str:
    """Return the key of a blob."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}"


def put_blob(storage: Storage, path: Path, *, again: bool = False) -> BlobRef:
    """Store a file under its hash, unless it is there already.

    A file that changes while it is read is refused. ``again`` stores it in any case, to repair a
    damaged blob.

    Raises: MissingFileError; InputError; DamagedBlobError when the storage kept another size.
    """
    with SourceFile(path) as source:
        sha256 = source.sha256()
        ref = _reference(path, sha256, source.size)
        key = blob_key(sha256)
        entry = storage.entry(key)
        if again or entry is None or entry.size != ref.size:
            storage.put_source(key, source, is_private=True)
            _refuse_other_size(storage, key, ref)
        elif datetime.now(UTC) - entry.modified > _FRESH:
            storage.touch(key)
    return ref


def fetch_blob(storage: Storage, ref: BlobRef, folder: Path) -> Path:
    """Return the file of a blob in a folder, fetched unless an intact copy is there.

    Its name keeps the original's extension. Several processes may share the folder.

    Raises: MissingKeyError; DamagedBlobError when the storage holds other content; DiskFullError.
    """
    suffix = Path(ref.name).suffix
    name = ref.sha256 + (suffix if _SUFFIX.fullmatch(suffix) else "")
    cached = folder / ref.sha256[:2] / name
    if _is_whole(cached, ref):
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    remove_old_temporaries(cached.parent)
    temporary = temporary_beside(cached)
    try:
        _fetch(storage, ref, temporary)
        give_name(temporary, cached, is_durable=False)  # its hash is compared before it is used
    finally:
        temporary.unlink(missing_ok=True)
    return cached


def _fetch(storage: Storage, ref: BlobRef, path: Path) -> None:
    key = blob_key(ref.sha256)
    try:
        storage.get_file(key, path)
    except MissingKeyError as error:
        raise MissingKeyError(
            f"{ref.name}: its content ({key}) is not in the storage {storage.url}; submit it again"
        ) from error
    if not _is_whole(path, ref):
        raise DamagedBlobError(
            f"{ref.name}: the storage {storage.url} holds other content under {key}: "
            f"{path.stat().st_size:,} bytes with SHA-256 {sha256_of(path)}, not {ref.size:,} "
            "bytes; delete that object and submit the job again"
        )


def _is_whole(path: Path, ref: BlobRef) -> bool:
    try:
        return path.stat().st_size == ref.size and sha256_of(path) == ref.sha256
    except OSError:
        return False


def _refuse_other_size(storage: Storage, key: str, ref: BlobRef) -> None:
    size = storage.head(key)
    if size != ref.size:
        raise DamagedBlobError(
            f"{ref.name}: the storage {storage.url} kept {size:,} of {ref.size:,} bytes; do not "
            "use it"
        )


def _reference(path: Path, sha256: str, size: int) -> BlobRef:
    try:
        return BlobRef(sha256=sha256, size=size, name=path.name)
    except ValidationError as error:
        fault = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"{path.name!r} cannot be stored: its name {fault}; rename it") from error
