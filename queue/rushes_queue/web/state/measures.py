"""How results measure against their inputs: computed once, one at a time, and kept."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from rushes.files.atomic import write_whole
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.results import Results


class Measures:
    """The measures of ``rushes eval`` for jobs that are done, in a folder."""

    def __init__(self, backend: Backend, results: Results, folder: Path) -> None:
        self._backend, self._results, self._folder = backend, results, folder
        self._one = threading.Lock()  # it takes all of a core

    def get(self, job: str) -> dict[str, Any]:
        """Return means, and the value of every frame.

        Raises: JobConflictError when the job is not done; MissingFileError when it has no input;
            VideoError; StorageError.
        """
        path = self._folder / f"{job}.json"
        with self._one:
            if not path.is_file():
                measured = json.dumps(self._measure(job)).encode()
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
