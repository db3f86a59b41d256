"""Render timelines with streaming video diffusion models.

What programs and notebooks need is here (``docs/python.md``). Each part is imported when it is
first used, so ``import rushes`` itself is instant.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rushes.version import __version__

if TYPE_CHECKING:
    from rushes.api import check, frames, load_timeline, plan, render
    from rushes.errors import (
        AdapterError,
        CheckpointError,
        ConfigError,
        ConflictError,
        DownloadError,
        InputError,
        MemoryShortError,
        MissingFileError,
        RushesError,
        ShapeError,
        TimelineError,
        TransientError,
        UnreachableError,
        VideoError,
        WriteError,
    )
    from rushes.files.folders import Folders
    from rushes.render.loop import Progress, StopRender
    from rushes.shots.sources import TimelineDocument
    from rushes.timeline.document import Timeline
    from rushes.timeline.plan.render_plan import Chunk, RenderPlan
    from rushes.timeline.problems import Problem

__all__ = [
    "AdapterError",
    "CheckpointError",
    "Chunk",
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
    "frames",
    "load_timeline",
    "plan",
    "render",
]

_HOMES = {
    **dict.fromkeys(("check", "frames", "load_timeline", "plan", "render"), "rushes.api"),
    **dict.fromkeys((name for name in __all__ if name.endswith("Error")), "rushes.errors"),
    **dict.fromkeys(("Chunk", "RenderPlan"), "rushes.timeline.plan.render_plan"),
    **dict.fromkeys(("Progress", "StopRender"), "rushes.render.loop"),
    "Folders": "rushes.files.folders",
    "Problem": "rushes.timeline.problems",
    "Timeline": "rushes.timeline.document",
    "TimelineDocument": "rushes.shots.sources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rushes' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _PublicModule(ModuleType):
    """Keeps ``rushes.render`` the function, although there is a folder of this name too.

    Importing a module of the folder would replace it otherwise. (Python documents the change of a
    module's class for such ends.)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "render" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _PublicModule
