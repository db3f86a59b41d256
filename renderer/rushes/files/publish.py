"""Give a finished file its name: a result is there complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rushes.errors import VideoError, WriteError


class PendingOutput:
    """A file, or a folder of files, that is written under a hidden name beside its own.

    With ``staging`` it is written in that folder, which lies on the same file system.
    As a context manager it removes at the end what was not published, and tells under the final
    name what the system did not allow.
    Raises: WriteError when nothing can be written there; VideoError for a folder in the way.
    """

    def __init__(self, path: Path, *, is_folder: bool = False, staging: Path | None = None) -> None:
        self.path = path
        self._is_folder = is_folder
        if path.is_dir() and not is_folder:
            raise VideoError(f"{path}: is a folder; name a file in it")
        self.temporary = _hidden_name(path if staging is None else staging / path.name)
        try:
            if is_folder:
                self.temporary.mkdir()
            else:
                self.temporary.open("xb").close()
        except OSError as error:
            raise writing_error(path, error) from error

    def publish(self) -> None:
        """Bring the bytes to the disk, then rename; what had the name before is gone.

        Raises: WriteError when the disk or the folder refuses.
        """
        try:
            for file in sorted(self.temporary.iterdir()) if self._is_folder else [self.temporary]:
                _sync(file)
            if self._is_folder and self.path.is_dir():
                _replace_folder(self.temporary, self.path)
            else:
                os.replace(self.temporary, self.path)
        except OSError as error:
            self.discard()
            raise writing_error(self.path, error) from error
        with contextlib.suppress(OSError):  # not every file system syncs folders
            _sync(self.path.parent)

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
    """Tell under this name what cannot be written, whatever file it was.

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
    """Make a folder, and those above it, unless it is there.

    Raises: WriteError.
    """
    with written_as(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def require_folder(path: Path) -> None:
    """Look, before any work, whether there is a folder for a file.

    Raises: WriteError.
    """
    with written_as(path), os.scandir(path.parent):
        pass


def writing_error(path: Path, error: OSError) -> WriteError:
    """Say in one line why a result cannot be written, and what helps."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return WriteError(
                f"{path}: cannot be written, the disk is full ({error.strerror}); "
                "free some space or write elsewhere"
            )
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


def _hidden_name(path: Path) -> Path:
    return path.with_name(f".rushes-{secrets.token_hex(8)}.tmp")


def _replace_folder(new: Path, path: Path) -> None:
    """Put a folder in another's place; the system renames none onto one that holds files."""
    old = _hidden_name(path)
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
