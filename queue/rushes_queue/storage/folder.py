"""A storage in a folder, on this machine or mounted by all machines.

obstore's local back end is not used: it follows symbolic links out of its folder, does not sync,
and refuses names that end in ``#1``.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rushes.errors import InputError
from rushes.files.atomic import TEMPORARY_PREFIX, make_folder
from rushes.files.disk import free_bytes
from rushes_queue.storage.errors import InvalidKeyError, StorageError, StorageUnreachableError
from rushes_queue.storage.keys import check_key, is_key
from rushes_queue.storage.source_file import SourceFile, open_ordinary
from rushes_queue.storage.storage import LARGEST_READ, Entry, Storage
from rushes_queue.storage.whole_files import refusing_full_disk, write_whole

_BLOCK = 1 << 20
_PRIVATE_MODE = 0o640  # for the user of the farm and those of its group
# Another process may remove an empty folder after it is made and before it is filled.
_ATTEMPTS_TO_FILL_A_FOLDER = 20
_ATTEMPTS_TO_EMPTY_A_FOLDER = 10  # others may write to it; NFS keeps open files
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}


class FolderStorage(Storage):
    """Objects are files, and keys their paths below the folder.

    Symbolic links inside are not followed, so nothing outside the folder is reached.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder
        self._root = os.path.realpath(folder)

    def put_source(self, key: str, source: SourceFile, *, is_private: bool = False) -> None:
        def write(file: BinaryIO) -> None:
            if is_private:
                os.fchmod(file.fileno(), _PRIVATE_MODE)
            shutil.copyfileobj(source, file, _BLOCK)

        self._put(key, write, restart=source.rewind)

    def put_bytes(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        return self._put(key, lambda file: _write(file, data), if_absent=if_absent)

    def get_bytes(self, key: str, max_bytes: int = LARGEST_READ) -> bytes:
        with self._reading(key), self._open(key) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise StorageError(f"{key}: has {size:,} bytes; at most {max_bytes:,} are allowed")
            return file.read(max_bytes)

    def get_file(self, key: str, path: Path) -> None:
        with self._reading(key):
            file = self._open(key)
        with file:

            def copy(target: BinaryIO) -> None:
                while block := self._next_block(key, file):
                    target.write(block)

            try:
                write_whole(path, copy)
            except OSError as error:
                raise InputError(f"{path}: cannot be written: {error.strerror}") from error

    def entry(self, key: str) -> Entry | None:
        path = self._path(key)
        with self._reading(key):
            try:
                status = path.lstat()
            except OSError as error:
                if error.errno in _NOT_THERE:
                    return None
                raise
        return _entry(key, status) if stat.S_ISREG(status.st_mode) else None

    def list(self, prefix: str = "") -> Iterator[Entry]:
        if prefix:
            own = self.entry(prefix)
            if own is not None:
                yield own
        folder = self._path(prefix) if prefix else self._folder
        if not (prefix and folder.is_symlink()):
            yield from self._walk(folder, prefix)

    def delete(self, prefix: str) -> int:
        path = self._path(prefix)
        with self._reading(prefix):
            num_removed = _remove(path)
            self._remove_empty_folders(path.parent)
        return num_removed

    def touch(self, key: str) -> None:
        if self.entry(key) is None:
            raise self.missing(key)
        try:
            with self._reading(key):
                os.utime(self._path(key), follow_symlinks=False)
        except FileNotFoundError as error:
            raise self.missing(key) from error

    def free_space(self) -> int | None:
        with self._reading("free space"):
            return free_bytes(self._folder)

    def leftovers(self, before: datetime) -> Iterator[Entry]:
        for folder, _, names in os.walk(self._folder):
            for name in sorted(names):
                if name.startswith(TEMPORARY_PREFIX):
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):
                        found = _entry(str(path.relative_to(self._folder)), path.lstat())
                        if found.modified < before:
                            yield found

    def remove_leftover(self, leftover: Entry) -> None:
        with self._reading(leftover.key):
            (self._folder / leftover.key).unlink(missing_ok=True)

    def _put(
        self,
        key: str,
        write: Callable[[BinaryIO], None],
        *,
        restart: Callable[[], None] = lambda: None,
        if_absent: bool = False,
    ) -> bool:
        path = self._path(key)
        with self._writing(key), refusing_full_disk(path):
            for _ in range(_ATTEMPTS_TO_FILL_A_FOLDER):
                try:
                    make_folder(path.parent)
                    return write_whole(path, write, if_absent=if_absent)
                except FileNotFoundError:
                    restart()
                except BaseException:
                    self._remove_empty_folders(path.parent)
                    raise
        raise StorageUnreachableError(
            f"storage {self.url}: {key}: its folder keeps disappearing; is another process "
            "deleting it?"
        )

    def _path(self, key: str) -> Path:
        """Return the file of a key, refusing symbolic links."""
        path = self._folder / check_key(key)
        parent = os.path.dirname(key)
        found = os.path.realpath(path.parent)
        if found != os.path.join(self._root, parent).rstrip("/"):
            self._root = os.path.realpath(self._folder)  # it may lead elsewhere by now
            if found != os.path.normpath(os.path.join(self._root, parent)):
                raise StorageError(
                    f"{key}: a symbolic link in the storage {self.url} leads to {found}; links in "
                    "a storage are not followed, remove it"
                )
        return path

    def _open(self, key: str) -> BinaryIO:
        path = self._path(key)
        try:
            file = open_ordinary(path, os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in _NOT_THERE:
                raise self.missing(key) from error
            if error.errno == errno.ELOOP:
                raise StorageError(
                    f"{key}: is a symbolic link in the storage {self.url}; links in a storage are "
                    "not followed, remove it"
                ) from error
            raise
        if file is None:
            raise self.missing(key)
        return file

    def _next_block(self, key: str, file: BinaryIO) -> bytes:
        with self._reading(key):
            return file.read(_BLOCK)

    def _walk(self, folder: Path, prefix: str) -> Iterator[Entry]:
        with self._reading(prefix or "the list"):
            try:
                with os.scandir(folder) as found:
                    places = [place for place in found if not place.name.startswith(".")]
            except OSError as error:
                if error.errno in _NOT_THERE:
                    return
                raise
        # In the order of a bucket: by whole key, with folder names ending in a slash.
        is_folder = {place.name: place.is_dir(follow_symlinks=False) for place in places}
        for place in sorted(places, key=lambda place: place.name + "/" * is_folder[place.name]):
            key = f"{prefix}/{place.name}" if prefix else place.name
            if is_folder[place.name]:
                yield from self._walk(Path(place.path), key)
            elif place.is_file(follow_symlinks=False) and is_key(key):
                with suppress(FileNotFoundError):
                    yield _entry(key, place.stat(follow_symlinks=False))

    def _remove_empty_folders(self, folder: Path) -> None:
        with suppress(OSError):  # one is not empty, or gone
            while folder != self._folder:
                folder.rmdir()
                folder = folder.parent

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Turn errors of the file system into errors of the storage."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageUnreachableError(
                f"storage {self.url}: {what}: {error.strerror or error}; check that the folder "
                "exists and that this user may read and write it"
            ) from error

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        with self._reading(key):
            try:
                yield
            except OSError as error:
                if error.errno in _IN_THE_WAY and self._folder.is_dir():
                    raise InvalidKeyError(
                        f"{key}: the storage {self.url} has a folder where this needs a file, or a "
                        "file where it needs a folder"
                    ) from error
                raise


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _entry(key: str, status: os.stat_result) -> Entry:
    return Entry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _remove(path: Path) -> int:
    """Remove a file, or a folder with everything in it, but never a link's target."""
    if not path.is_dir() or path.is_symlink():
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return 0  # gone, or just made a folder: then it was not there at the start
        return int(not path.name.startswith("."))
    num_removed = 0
    for _ in range(_ATTEMPTS_TO_EMPTY_A_FOLDER):
        try:
            num_removed += sum(_remove(Path(place)) for place in _children(path))
            path.rmdir()
        except FileNotFoundError:
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            break
    return num_removed


def _children(folder: Path) -> list[str]:
    with os.scandir(folder) as places:
        return [place.path for place in places]
