"""How results measure, against their inputs and each other: computed once, one at a time, kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import rushes
from rushes.files.atomic import write_whole
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.results import Results


class Measures:
    """The measures of ``rushes eval`` and ``compare`` for jobs that are done, in a folder."""

    def __init__(self, backend: Backend, results: Results, folder: Path) -> None:
        self._backend, self._results, self._folder = backend, results, folder
        self._one = threading.Lock()  # it takes all of a core

    def of(self, job: str) -> dict[str, Any]:
        """Return means, and the value of every frame.

        Raises: JobConflictError when the job is not done; MissingFileError when it has no input;
            VideoError; StorageError.
        """
        return self._kept(job, lambda: self._measure(job))

    def compared(self, jobs: Sequence[str], *, with_input: bool) -> dict[str, Any]:
        """Return how two to four results differ; ``with_input``: and each from the first's input.

        Raises: as ``of``; ConfigError for another number of jobs.
        """
        name = sha256(" ".join([*jobs, str(with_input)]).encode()).hexdigest()
        return self._kept(name, lambda: self._compare(jobs, with_input))

    def _kept(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        path = self._folder / f"{name}.json"
        with self._one:
            if not path.is_file():
                measured = json.dumps(measure()).encode()
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, lambda file: file.write(measured), is_durable=False)
            read: dict[str, Any] = json.loads(path.read_bytes())
            return read

    def _measure(self, job: str) -> dict[str, Any]:
        from rushes.metrics.compare import compare_files  # late: it loads torch

        output = self._results.fetch(job).output
        reference = self._results.input_file(job)
        fit = self._backend.document(job).request.fit
        return compare_files(output, reference, fit).to_dict()

    def _compare(self, jobs: Sequence[str], with_input: bool) -> dict[str, Any]:
        videos = [self._results.fetch(job).output for job in jobs]
        reference = self._results.input_file(jobs[0]) if with_input else None
        return rushes.compare(videos, reference=reference).to_dict()
