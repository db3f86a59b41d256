"""A file that is read from start to end and must not change meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from rushes.errors import InputError, MissingFileError

_BLOCK = 1 << 20


class SourceFile:
    """A file opened for reading; its last bytes are returned only if it has not changed.

    So a copy under the name of its hash has the content that was hashed.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises: MissingFileError; InputError when it is not a file or cannot be read.
        """
        self.path = path
        try:
            file = open_ordinary(path)
        except FileNotFoundError as error:
            raise MissingFileError(f"{path}: there is no such file") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        if file is None:
            raise InputError(f"{path}: is not an ordinary file")
        self._file = file
        self._state = self._current_state()
        self._position = 0

    @property
    def size(self) -> int:
        """The size in bytes when it was opened."""
        return self._state[0]

    def read(self, num_bytes: int = -1) -> bytes:
        """Return the next bytes, none at the end.

        Raises: InputError when the file changed since it was opened.
        """
        try:
            data = self._file.read(num_bytes)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error
        self._position += len(data)
        if self._position >= self.size or not data:
            self._refuse_change()
        return data

    def rewind(self) -> None:
        """Read from the start again."""
        self._file.seek(0)
        self._position = 0

    def sha256(self) -> str:
        """Read the whole file, return its hash, and go back to its start.

        Raises: InputError.
        """
        digest = hashlib.sha256()
        while block := self.read(_BLOCK):
            digest.update(block)
        self.rewind()
        return digest.hexdigest()

    def _refuse_change(self) -> None:
        if self._position != self.size or self._current_state() != self._state:
            raise InputError(
                f"{self.path}: changed while it was being read; try again when it is whole"
            )

    def _current_state(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def open_ordinary(path: Path, flags: int = 0) -> BinaryIO | None:
    """Open a file for reading; None when it is a folder, a pipe or a device.

    Raises: OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | flags)  # a pipe would block
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")
