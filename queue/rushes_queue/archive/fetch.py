"""Fetches a published result into a folder: checked against its hashes, whole or not at all."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rushes.errors import ConflictError, InputError
from rushes.files.atomic import give_name, make_folder, temporary_beside
from rushes.files.hashes import sha256_of
from rushes.text import printable, shortened
from rushes_queue.errors import JobConflictError, JobError
from rushes_queue.jobs.states import State
from rushes_queue.storage.blobs import Sha256
from rushes_queue.storage.errors import MissingKeyError, StorageError
from rushes_queue.storage.keys import check_key

if TYPE_CHECKING:
    from rushes_queue.jobs.record import JobRecord
    from rushes_queue.storage.storage import Storage

OnConflict = Literal["skip", "overwrite", "copy"]


class ResultFile(BaseModel):
    """The size and hash that a file of a result must have."""

    model_config = ConfigDict(frozen=True)

    size: int = Field(ge=0)
    sha256: Sha256


class Result(BaseModel):
    """A result as its record describes it; the values are keys in the storage."""

    model_config = ConfigDict(frozen=True)

    output: str  # the folder, for a picture sequence
    manifest: str
    contact_sheet: str
    files: dict[str, ResultFile] = Field(min_length=1)


@dataclass(frozen=True)
class Fetched:
    """Where a result is now; ``is_new`` is false if it was there before."""

    output: Path
    files: tuple[Path, ...]
    is_new: bool = True


def result_of(record: JobRecord) -> Result:
    """Return the result of a job that is done.

    Raises: JobConflictError when it is not; JobError, InvalidKeyError when its record is damaged.
    """
    if record.state is not State.DONE:
        raise JobConflictError(
            f"job {record.id}: is {record.state} and has no result; see rushes watch",
            job=record.id,
        )
    try:
        result = Result.model_validate(record.result)
    except ValidationError as error:
        fault = shortened(printable(str(error.errors(include_url=False)[0]["msg"])))
        raise JobError(f"job {record.id}: its result cannot be read: {fault}") from error
    base = PurePosixPath(check_key(result.output)).parent
    for key in result.files:
        if not PurePosixPath(check_key(key)).is_relative_to(base):
            raise JobError(f"job {record.id}: {printable(key)} is not a file of its result")
    return result


def fetch_result(
    storage: Storage, record: JobRecord, folder: Path, on_conflict: OnConflict | None = None
) -> Fetched:
    """Fetch all files of a result into a folder; the video appears last.

    Existing files with the same content are kept. If other files are in the way, ``on_conflict``
    decides whether to skip the result, replace them, or use another name.

    Raises: as ``result_of``; ConflictError; StorageError when a file is not what was published;
        MissingKeyError when it is gone; DiskFullError; InputError when the folder cannot be used.
    """
    result = result_of(record)
    try:
        return _fetch(storage, record.id, result, folder, on_conflict)
    except OSError as error:
        raise InputError(f"{folder}: cannot be used: {error}; choose another folder") from error


def _fetch(
    storage: Storage, job: str, result: Result, folder: Path, on_conflict: OnConflict | None
) -> Fetched:
    output, targets = _targets(result, folder)
    taken = [path for path in targets.values() if os.path.lexists(path)]
    if len(taken) == len(targets) and all(
        _is_right(path, result.files[key]) for key, path in targets.items()
    ):
        return Fetched(output, tuple(targets.values()), is_new=False)
    if taken:
        match on_conflict:
            case "skip":
                return Fetched(output, (), is_new=False)
            case "copy":
                output, targets = _free_targets(result, folder)
            case None:
                raise ConflictError(
                    f"{taken[0]}: exists already with other content; use "
                    "--conflict skip, overwrite or copy"
                )
    _fetch_all(storage, job, result, targets)
    return Fetched(output, tuple(targets.values()))


def _fetch_all(storage: Storage, job: str, result: Result, targets: dict[str, Path]) -> None:
    """Fetch and check every file under a temporary name; then rename them all."""
    fetched: list[tuple[Path, Path]] = []
    with ExitStack() as cleanup:
        for key, path in targets.items():
            make_folder(path.parent)
            temporary = temporary_beside(path)
            cleanup.callback(temporary.unlink, missing_ok=True)
            try:
                storage.get_file(key, temporary)
            except MissingKeyError as error:
                raise MissingKeyError(
                    f"job {job}: {key} was deleted from the storage {storage.url}; restore it "
                    "there, or submit the job again with --new"
                ) from error
            if not _is_right(temporary, result.files[key]):
                raise StorageError(
                    f"job {job}: {key} in the storage {storage.url} is not what was published; "
                    "nothing was fetched; restore it there, or submit the job again with --new"
                )
            fetched.append((temporary, path))
        for temporary, path in fetched:
            give_name(temporary, path)


def _targets(
    result: Result, folder: Path, number: int | None = None
) -> tuple[Path, dict[str, Path]]:
    """Return where the result and each file of it belong, the video last.

    With ``number`` they get the names of a copy of that number.
    """
    output = PurePosixPath(result.output)

    def place(name: str) -> Path:
        if number is not None:
            name = f"{output.stem}-{number}{name.removeprefix(output.stem)}"
        return folder / name

    keys = sorted(result.files, key=lambda key: key == result.output)
    names = {key: str(PurePosixPath(key).relative_to(output.parent)) for key in keys}
    return place(output.name), {key: place(name) for key, name in names.items()}


def _free_targets(result: Result, folder: Path) -> tuple[Path, dict[str, Path]]:
    """Return the paths of a copy whose names are all free."""
    number = 1
    while True:
        output, targets = _targets(result, folder, number)
        if not any(os.path.lexists(path) for path in targets.values()):
            return output, targets
        number += 1


def _is_right(path: Path, wanted: ResultFile) -> bool:
    return (
        path.is_file() and path.stat().st_size == wanted.size and sha256_of(path) == wanted.sha256
    )
