"""The process that renders: it fetches, renders and publishes as a worker's child does.

It reads its orders from stdin and tells on stdout how it goes; the networks stay loaded between
jobs. When the process that started it ends, so does stdin, and with it this one.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.files.folders import Folders
from rushes.files.hidden_folder import hidden_folder
from rushes_queue.archive.job_files import read_document
from rushes_queue.archive.publish import Attempted, describe, publish, published
from rushes_queue.archive.result_names import DEFAULT_TEMPLATE
from rushes_queue.archive.saved_work import SavedWork
from rushes_queue.broker.preview import to_jpeg
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.failures import kind_of, message_of
from rushes_queue.storage.open import open_storage
from rushes_queue.web.alone.messages import Asked, Told
from rushes_queue.web.alone.orders import Orders
from rushes_queue.worker.inputs import AttemptFolder, fetch_inputs, refuse_full_disk
from rushes_queue.worker.warm_renderer import WarmRenderer

if TYPE_CHECKING:
    from rushes.rendering.loop import Progress

WORKER = "this machine"
_SAVE_SECONDS = 60.0

Tell = Callable[[Told], None]


class ChildRenderer:
    """Renders one job after another."""

    def __init__(
        self, storage_url: str, work: Path, folders: Folders, orders: Orders, tell: Tell
    ) -> None:
        self._storage = open_storage(storage_url)
        self._work, self._folders = work, folders
        self._orders, self._tell = orders, tell
        self._renderer = WarmRenderer(folders, "auto")

    def run(self, asked: Asked) -> None:
        """Render a job, and tell how it ended; raises nothing that a job can cause."""
        from rushes.rendering.loop import StopRender

        job = asked.job
        try:
            result = published(self._storage, job) or self._make(asked)
            self._tell(Told("done", job, result=result))
        except StopRender as stop:
            self._tell(Told("stopped", job, text=str(stop)))
        except Exception as error:  # whatever it is, the next job is rendered
            self._tell(Told("failed", job, text=message_of(error), level=str(kind_of(error))))

    def _make(self, asked: Asked) -> dict[str, Any]:
        document = read_document(self._storage, asked.job)
        self._work.mkdir(parents=True, exist_ok=True)
        refuse_full_disk(document, self._work, self._storage)
        with hidden_folder(self._work / asked.job) as path:
            folder = AttemptFolder.make(path)
            request = fetch_inputs(document, self._storage, folder, self._folders.cache, "auto")
            self._renderer.load(document, lambda text: self._say(asked.job, text))
            self._tell(Told("busy", asked.job, text=document.preset))
            manifest = self._render(document, request, folder, asked)
            who = Attempted(asked.attempt, asked.attempt, WORKER)
            manifest = describe(manifest, document, who)
            request.manifest_path.write_text(
                json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8"
            )
            return publish(self._storage, document, who, request, manifest, DEFAULT_TEMPLATE)

    def _render(
        self, document: JobDocument, request: Any, folder: AttemptFolder, asked: Asked
    ) -> dict[str, Any]:
        from rushes.rendering.loop import StopRender
        from rushes.rendering.save_points import SavePolicy
        from rushes.rendering.work import Work

        saved = SavedWork(self._storage, asked.job, asked.attempt, folder.work)
        if (chunk := saved.restore(asked.oldest_fence)) is not None:
            self._say(asked.job, f"continues from the save point before chunk {chunk}")

        def report(progress: Progress) -> None:
            self._tell_progress(asked.job, progress)
            if wish := self._orders.wish(asked.job):
                raise StopRender(wish, save=wish == "pause")

        work = Work(folder.work, SavePolicy(None, _SAVE_SECONDS), saved.store)
        return self._renderer.render(document, request, work, report)

    def _tell_progress(self, job: str, progress: Progress) -> None:
        self._tell(
            Told(
                *("progress", job),
                text=progress.prompt,
                chunk=progress.chunk,
                frame=progress.frame,
                fps=progress.frames_per_second,
            )
        )
        if self._orders.is_looked_at:
            jpeg = base64.b64encode(to_jpeg(progress.last_frame)).decode()
            self._tell(Told("frame", job, text=jpeg))

    def _say(self, job: str, text: str) -> None:
        self._tell(Told("say", job, text=text))


def main(storage_url: str, work: str, models: str, cache: str, *loras: str) -> None:
    """Render what stdin asks for, until it ends."""
    lines, sys.stdout = sys.stdout, sys.stderr  # what libraries print are not messages

    def tell(told: Told) -> None:
        lines.write(told.to_line())
        lines.flush()

    orders = Orders(sys.stdin)
    folders = Folders(Path(models), Path(cache), tuple(map(Path, loras)))
    renderer = ChildRenderer(storage_url, Path(work), folders, orders, tell)
    while True:
        renderer.run(orders.take())


if __name__ == "__main__":
    main(*sys.argv[1:])
