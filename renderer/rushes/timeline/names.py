"""The name of a timeline file, and the names that files may have."""

from __future__ import annotations

import re
from pathlib import PurePath

from rushes.text import file_name_fault

_VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".y4m", ".gif"}
)


def timeline_name(file: PurePath) -> str:
    """Return the name of a timeline or workflow file without its extensions."""
    return file.name.removesuffix(".json").removesuffix(".scope-workflow") or "timeline"


def timeline_name_fault(file: PurePath) -> str:
    """Return why a result cannot be named after this timeline file, else nothing."""
    return file_name_fault(file.name) or file_name_fault(timeline_name(file))


def is_video_name(path: str) -> bool:
    """Return whether a file is a video by its name; all others count as images."""
    return PurePath(bare_name(path)).suffix.lower() in _VIDEOS


def bare_name(path: str) -> str:
    """Return the file name at the end of a path of any operating system."""
    return re.split(r"[\\/]", path)[-1]
