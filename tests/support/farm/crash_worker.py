"""A worker that renders with the real networks, and dies where a job's name says so.

A job called after one of the ``POINTS`` kills its process there with SIGKILL, once, as somebody may
from outside; one called "poison" crashes it each time. A sick worker crashes with every job.
python tests/support/farm/crash_worker.py NAME FOLDER [--sick]; the folder keeps what is done
already. Without a name it is called after its --slot and the number of its process.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis import Redis

from rushes.files.folders import Folders
from rushes.rendering.loop import Progress, Report
from rushes.rendering.request import RenderRequest
from rushes.rendering.work import Work
from rushes_queue.broker.attempt_ends import AttemptEnds
from rushes_queue.broker.leases import Leases
from rushes_queue.broker.replies import Change
from rushes_queue.broker.scripts import Scripts
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.record import JobRecord
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.settings.model import Settings
from rushes_queue.worker.options import WorkerOptions, worker_place
from rushes_queue.worker.warm_renderer import WarmRenderer
from rushes_queue.worker.worker import Worker

# Between each two steps of an attempt: after the step that a point is called after.
POINTS = (
    *(
        "claim",
        "input",
        "load",
        "first chunk",
        "render",
        "save",
        "saved",
        "last chunk",
        "join",
        "publish",
    ),
)


class CrashingRenderer(WarmRenderer):
    """Dies at the points; ``folder`` keeps a file for each that has been reached."""

    def __init__(self, folders: Folders, folder: Path, *, is_sick: bool) -> None:
        super().__init__(folders, "cpu")
        self._folder, self._is_sick = folder, is_sick
        self.name = ""  # of the job

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        self.name = document.name
        self.reach("input")
        super().load(document, say)
        self.reach("load")

    def render(
        self, document: JobDocument, request: RenderRequest, work: Work, report: Report
    ) -> dict[str, Any]:
        if self._is_sick or self.name == "poison":
            os.kill(os.getpid(), signal.SIGSEGV)

        def report_and_die(progress: Progress) -> None:
            report(progress)
            if progress.chunk == 1:
                self.reach("first chunk")
            if progress.chunk == progress.num_chunks // 2:
                self.reach("render")
            if progress.chunk == progress.num_chunks:
                self.reach("last chunk")

        def save_and_die(folder: Path) -> None:
            self.reach("save")
            work.on_saved(folder)
            self.reach("saved")

        dying = replace(work, on_saved=save_and_die)
        manifest = super().render(document, request, dying, report_and_die)
        self.reach("join")
        return manifest

    def reach(self, point: str) -> None:
        """Die here if the job is called after this point, and has not died yet."""
        mark = self._folder / f"reached {point}"
        if point == self.name and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class CrashingLeases(Leases):
    """Leases of a worker that may die right after it has claimed a job."""

    def __init__(self, client: Redis, scripts: Scripts, renderer: CrashingRenderer) -> None:
        super().__init__(client, scripts)
        self.renderer = renderer

    def claim(self, *arguments: Any, **more: Any) -> JobRecord | None:
        record = super().claim(*arguments, **more)
        if record is not None:
            self.renderer.name = record.name
            self.renderer.reach("claim")
        return record


class CrashingEnds(AttemptEnds):
    """Ends of a worker that may die after it has published, before it says so."""

    def __init__(self, scripts: Scripts, renderer: CrashingRenderer) -> None:
        super().__init__(scripts)
        self.renderer = renderer

    def finish(self, job: str, fence: int, result: Mapping[str, Any]) -> Change:
        self.renderer.reach("publish")
        return super().finish(job, fence, result)


class CrashingWorker(Worker):
    """A worker whose child reports to such records."""

    def __init__(
        self, settings: Settings, options: WorkerOptions, renderer: CrashingRenderer
    ) -> None:
        super().__init__(settings, options, renderer)
        self._crashing = renderer

    def open_links(self) -> FarmLinks:
        links = super().open_links()
        scripts = Scripts(links.store.client, links.store.prefix)
        links.store.leases = CrashingLeases(links.store.client, scripts, self._crashing)
        links.store.ends = CrashingEnds(scripts, self._crashing)
        return links


def main() -> int:
    """Work until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sick", action="store_true")
    parser.add_argument("--gpu")
    parser.add_argument("--slot", default="")
    asked = parser.parse_args()
    settings = load_settings()
    folders = Folders(settings.models_dir, settings.cache_dir)
    renderer = CrashingRenderer(folders, asked.folder, is_sick=asked.sick)
    options = WorkerOptions(
        name=asked.name or f"{asked.slot}.{os.getpid()}",
        presets=("tiny",),
        device="cpu",
        place=worker_place(None, asked.slot),
    )
    return CrashingWorker(settings, options, renderer).run()


if __name__ == "__main__":
    sys.exit(main())
