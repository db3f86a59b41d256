"""Renders jobs one after another; the networks of the last job stay loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rushes.presets.kinds import GraphsChoice
from rushes_queue.jobs.document import JobDocument

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.files.folders import Folders
    from rushes.rendering.fitted import FittedRenderer
    from rushes.rendering.joint import JointRenders
    from rushes.rendering.loop import Report
    from rushes.rendering.request import RenderRequest
    from rushes.rendering.work import Work

logger = logging.getLogger(__name__)


class Renderer(Protocol):
    """Turns a job into files; the one of the benchmarks only sleeps."""

    @property
    def preset(self) -> str | None:
        """The preset that is loaded."""
        ...

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        """Load what the job needs, and free the rest."""
        ...

    def render(
        self, document: JobDocument, request: RenderRequest, work: Work, report: Report
    ) -> dict[str, Any]:
        """Render into ``request.output`` and return the manifest."""
        ...


class WarmRenderer:
    """Renders with the real pipelines."""

    def __init__(self, folders: Folders, device: str, graphs: GraphsChoice = "auto") -> None:
        self._folders, self._device, self._graphs = folders, device, graphs
        self._renderer: FittedRenderer | None = None
        self._key: tuple[str, str] | None = None

    @property
    def preset(self) -> str | None:
        return self._key[0] if self._key else None

    def load(self, document: JobDocument, say: Callable[[str], None]) -> None:
        from rushes.presets.preset import load_preset
        from rushes.rendering.fitted import open_renderer

        key = (document.preset, document.request.dtype)
        if self._renderer is None or self._key != key:
            self._renderer, self._key = None, None  # its memory is needed
            preset = load_preset(document.preset)
            self._renderer = open_renderer(preset, self._folders, self._device, key[1])
            self._key = key
        before, begin = self._renderer.pipeline, time.monotonic()
        if self._renderer.load(document.render_plan()) is not before:
            say(f"loaded {document.preset} in {time.monotonic() - begin:.1f} s")

    def render(
        self, document: JobDocument, request: RenderRequest, work: Work, report: Report
    ) -> dict[str, Any]:
        assert self._renderer is not None, "load was not called"
        plan = document.render_plan()
        request = request.model_copy(update={"graphs": self._graphs})
        return self._renderer.render(plan, request, force=True, report=report, work=work)

    @contextmanager
    def joint(self, document: JobDocument, folder: Path, most: int) -> Iterator[JointRenders]:
        """Render jobs of one kind at the same time, at most so many; their inputs lie in folders.

        Raises: as ``FittedRenderer.joint``.
        """
        assert self._renderer is not None, "load was not called"
        with self._renderer.joint(document.render_plan(), folder, most) as renders:
            yield renders

    def computing(self, document: JobDocument) -> AbstractContextManager[None]:
        """Let threads that are started meanwhile compute as a job asks for."""
        import torch

        from rushes.rendering.machine_kind import computing_threads

        device = torch.device("cpu" if self._device == "cpu" else "cuda")
        return computing_threads(document.request.threads, device)


def import_networks() -> None:
    """Import all that a render needs without computing, so that a forked child has it at once."""
    import rushes.rendering.fitted

    del rushes
