"""Results of jobs on this machine, for browsers that play, seek and download them."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from rushes.errors import MissingFileError
from rushes_queue.client.answers import FetchedJob
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.keyed_locks import KeyedLocks

_MOST_BYTES = 8 * 2**30
_SPARED_SECONDS = 3600.0  # since somebody asked for it


class Results:
    """Files of jobs below a folder, fetched when they are first asked for."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._backend, self._folder = backend, folder
        self._locks = KeyedLocks()
        self._fetched: dict[str, FetchedJob] = {}  # which were checked, so that seeking is quick
        self._inputs: dict[str, Path] = {}

    def fetch(self, job: str) -> FetchedJob:
        """Bring the files of a job that is done here; each is checked against its hash.

        Raises: JobConflictError when it is not done; StorageError.
        """
        with self._locks.of(job):  # the same is asked for by several requests at once
            fetched = self._fetched.get(job)
            if fetched is not None and all(path.is_file() for path in fetched.files):
                return fetched
            folder = self._folder / job
            fetched = self._fetched[job] = self._backend.fetch(job, folder)
            with suppress(OSError):
                folder.touch()
            self._make_room(folder)
            return fetched

    def file(self, job: str, name: str) -> Path:
        """Return one file of a result, by its name or its path below the result's folder.

        Raises: as ``fetch``; MissingFileError when the result has no such file.
        """
        folder = self._folder / job
        for path in self.fetch(job).files:
            if path.relative_to(folder).as_posix() == name:
                return path
        raise MissingFileError(f"job {job}: its result has no such file")

    def input_file(self, job: str) -> Path:
        """Return the input video of a job.

        Raises: MissingFileError when it has none; StorageError.
        """
        document = self._backend.document(job)
        if document.input is None:
            raise MissingFileError(f"job {job}: has no input video")
        with self._locks.of(document.input.sha256):
            known = self._inputs.get(document.input.sha256)
            if known is None or not known.is_file():
                known = self._backend.stored_file(document.input, self._folder / "inputs")
                self._inputs[document.input.sha256] = known
            return known

    def _make_room(self, spared: Path) -> None:
        """Remove the results that nobody asked for the longest, where there are too many."""
        folders = [(path.stat().st_mtime, path) for path in self._folder.iterdir()]
        sizes = {path: _size_of(path) for _, path in folders}
        left = sum(sizes.values())
        for modified, path in sorted(folders):
            if left <= _MOST_BYTES or time.time() - modified < _SPARED_SECONDS:
                return
            if path != spared:
                shutil.rmtree(path, ignore_errors=True)
                self._fetched.pop(path.name, None)
                left -= sizes[path]


def _size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
