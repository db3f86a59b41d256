"""The renderer of jobs that share the passes of a network; each calls it in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from rushes_queue.jobs.document import JobDocument
from rushes_queue.worker.warm_renderer import Renderer

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.rendering.joint import JointRenders
    from rushes.rendering.loop import Report
    from rushes.rendering.request import RenderRequest
    from rushes.rendering.work import Work


class JoiningRenderer(Renderer, Protocol):
    """A renderer that can also render jobs of one kind at the same time."""

    def joint(
        self, document: JobDocument, folder: Path, most: int
    ) -> AbstractContextManager[JointRenders]:
        """Make ready for jobs like this one, at most so many at once."""
        ...

    def computing(self, document: JobDocument) -> AbstractContextManager[None]:
        """Let threads that are started meanwhile compute as a job asks for."""
        ...


class RowRenderer:
    """Renders jobs of one kind; the first of them loads what they need. Close it after the last."""

    def __init__(self, renderer: JoiningRenderer, most: int) -> None:
        self._renderer, self._most = renderer, most
        self._lock = Lock()
        self._joint: JointRenders | None = None
        self._open = ExitStack()

    @property
    def preset(self) -> str | None:
        return self._renderer.preset

    @property
    def is_open(self) -> bool:
        """Whether the first job has loaded the networks."""
        return self._joint is not None

    @property
    def num_rows(self) -> int:
        """How many jobs there is room for; one until the first has loaded the networks."""
        return 1 if self._joint is None else min(self._most, self._joint.most)

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        with self._lock:
            if self._joint is None:
                self._renderer.load(document, say)

    def render(
        self, document: JobDocument, request: RenderRequest, work: Work, report: Report
    ) -> dict[str, Any]:
        with self._lock:
            if self._joint is None:
                folder = request.timeline.parent
                joint = self._renderer.joint(document, folder, self._most)
                self._joint = self._open.enter_context(joint)
        plan = document.render_plan()
        return self._joint.render(plan, request, force=True, report=report, work=work)

    def close(self) -> None:
        """Let the networks be as they were."""
        self._joint = None
        self._open.close()
