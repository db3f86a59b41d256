"""Render timelines with streaming video diffusion models.

What programs and notebooks need is here (``docs/python.md``). Each part is imported when it is
first used, so ``import rushes`` itself is instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.lazy import lazy_names
from rushes.version import __version__

if TYPE_CHECKING:
    from rushes.api import check, compare, frames, load_timeline, plan, render
    from rushes.comparison.compare import Comparison
    from rushes.errors import (
        AdapterError,
        CheckpointError,
        ConfigError,
        ConflictError,
        DownloadError,
        InputError,
        MemoryShortError,
        MissingFileError,
        RenderProcessError,
        RushesError,
        ShapeError,
        TimelineError,
        TransientError,
        UnreachableError,
        VideoError,
        WriteError,
    )
    from rushes.files.folders import Folders
    from rushes.rendering.loop import Progress, StopRender
    from rushes.shots.sources import TimelineDocument
    from rushes.timeline.document import Timeline
    from rushes.timeline.plan.render_plan import Chunk, RenderPlan
    from rushes.timeline.problems import Problem

__all__ = [
    "AdapterError",
    "CheckpointError",
    "Chunk",
    "Comparison",
    "ConfigError",
    "ConflictError",
    "DownloadError",
    "Folders",
    "InputError",
    "MemoryShortError",
    "MissingFileError",
    "Problem",
    "Progress",
    "RenderPlan",
    "RenderProcessError",
    "RushesError",
    "ShapeError",
    "StopRender",
    "Timeline",
    "TimelineDocument",
    "TimelineError",
    "TransientError",
    "UnreachableError",
    "VideoError",
    "WriteError",
    "__version__",
    "check",
    "compare",
    "frames",
    "load_timeline",
    "plan",
    "render",
]

_HOMES = {
    **dict.fromkeys(
        ("check", "compare", "frames", "load_timeline", "plan", "render"), "rushes.api"
    ),
    **dict.fromkeys((name for name in __all__ if name.endswith("Error")), "rushes.errors"),
    **dict.fromkeys(("Chunk", "RenderPlan"), "rushes.timeline.plan.render_plan"),
    **dict.fromkeys(("Progress", "StopRender"), "rushes.rendering.loop"),
    "Comparison": "rushes.comparison.compare",
    "Folders": "rushes.files.folders",
    "Problem": "rushes.timeline.problems",
    "Timeline": "rushes.timeline.document",
    "TimelineDocument": "rushes.shots.sources",
}


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
