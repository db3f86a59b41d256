"""A worker whose process dies whenever it renders a job called "poison"; others it renders at once.

It hangs with jobs called "load" and "render", in what they are called after.
python tests/support/farm/poison_worker.py NAME [SICK]; a sick one dies of every job.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from rushes_queue.jobs.document import JobDocument
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.worker import Worker


class PoisonedRenderer:
    """Stands in for the networks."""

    preset = "tiny"

    def __init__(self, is_sick: bool) -> None:
        self._is_sick = is_sick

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        if document.name == "load":
            time.sleep(3600)

    def render(self, document: JobDocument, request: Any, work: Any, report: Any) -> dict[str, Any]:
        if document.name == "poison" or self._is_sick:
            os.kill(os.getpid(), signal.SIGSEGV)
        if document.name == "render":
            time.sleep(3600)
        for path in (request.output, request.sheet_path, request.manifest_path):
            path.write_bytes(b"done")
        return {
            "frames_sha256": "0" * 64,
            "num_frames": document.num_frames,
            "timings": {"total": 0.1},
            "request": request.model_dump(mode="json"),
        }


if __name__ == "__main__":
    options = WorkerOptions(name=sys.argv[1], presets=("tiny",), device="cpu")
    worker = Worker(load_settings(), options, PoisonedRenderer(len(sys.argv) > 2))
    code = worker.run()
    if code and not worker.is_draining:  # it hears no doorbell: again, as the command does
        os.execv(sys.executable, sys.orig_argv)
    sys.exit(code)
