"""Publish a finished file: a result appears complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rushes.errors import VideoError, WriteError
from rushes.files.atomic import give_folder_name, give_name, sync, sync_folder, temporary_beside
from rushes.files.disk import is_full_disk


class PendingOutput:
    """A file, or a folder of files, that is written under a hidden name beside its own.

    With ``staging`` it is written in that folder, which lies on the same file system. As a context
    manager it removes unpublished files at the end, and reports errors under the final name.
    Raises: WriteError when the folder is not writable; VideoError for a folder in the way.
    """

    def __init__(self, path: Path, *, is_folder: bool = False, staging: Path | None = None) -> None:
        self.path = path
        self._is_folder = is_folder
        if path.is_dir() and not is_folder:
            raise VideoError(f"{path}: is a folder; name a file in it")
        self.temporary = temporary_beside(path if staging is None else staging / path.name)
        try:
            if is_folder:
                self.temporary.mkdir()
            else:
                self.temporary.open("xb").close()
        except OSError as error:
            raise writing_error(path, error) from error

    def publish(self) -> None:
        """Flush to the disk, then rename; an older file of that name is replaced.

        Raises: WriteError when the disk is full or the folder not writable.
        """
        try:
            if self._is_folder:
                give_folder_name(self.temporary, self.path)
            else:
                sync(self.temporary)
                give_name(self.temporary, self.path, is_durable=False)
        except OSError as error:
            self.discard()
            raise writing_error(self.path, error) from error
        with contextlib.suppress(OSError):  # not every file system can sync folders
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what was written; does nothing after `publish`."""
        if self._is_folder:
            shutil.rmtree(self.temporary, ignore_errors=True)
        else:
            self.temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()
        if isinstance(error, OSError):
            raise writing_error(self.path, error) from error


@contextlib.contextmanager
def written_as(path: Path) -> Iterator[None]:
    """Report errors of writing under this name, whatever file they are about.

    Raises: WriteError.
    """
    try:
        yield
    except OSError as error:
        raise writing_error(path, error) from error
    except WriteError as error:
        if isinstance(error.__cause__, OSError):
            raise writing_error(path, error.__cause__) from error.__cause__
        raise


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, unless it exists.

    Raises: WriteError.
    """
    with written_as(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that appears under its name complete, or not at all.

    Raises: WriteError.
    """
    make_folder(path.parent)
    with PendingOutput(path) as pending:
        pending.temporary.write_bytes(content)
        pending.publish()


def require_folder(path: Path) -> None:
    """Check, before any work, that a file's folder exists and is writable.

    Raises: WriteError.
    """
    with written_as(path), os.scandir(path.parent):
        pass


def writing_error(path: Path, error: OSError) -> WriteError:
    """Return one line that says why a result cannot be written, and what to do."""
    if is_full_disk(error):
        return WriteError(
            f"{path}: cannot be written, the disk is full ({error.strerror}); "
            "free some space or write elsewhere"
        )
    match error.errno:
        case errno.ENOENT if not path.parent.is_dir():
            return WriteError(f"{path}: the folder {path.parent} does not exist; make it first")
        case errno.ENOTDIR:
            return WriteError(f"{path}: {path.parent} is not a folder; write elsewhere")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return WriteError(
                f"{path}: the folder {path.parent} may not be written to; "
                "change its permissions or write elsewhere"
            )
    return WriteError(f"{path}: cannot be written ({error.strerror or error}); write elsewhere")
