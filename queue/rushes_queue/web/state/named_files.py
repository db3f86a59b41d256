"""Files that a timeline names: from a browser they may only be files that came with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from rushes.timeline.document import Timeline
from rushes.timeline.problems import Problem

_REFUSED = "names a place of the server; send the file with the timeline, and write its name alone"


def foreign_files(timeline: Timeline, embedded: Path) -> list[Problem]:
    """Return a problem for each name that leads out of the timeline's own folder.

    ``embedded`` is the folder for files that documents carry in themselves.
    """
    return [
        Problem(path, _REFUSED, name)
        for path, name in named_files(timeline)
        if not (is_inside(name) or Path(name).parent == embedded)
    ]


def named_files(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Yield every file that a timeline names, each with the field that does."""
    ext, settings = timeline.ext, timeline.settings
    named = {
        "ext.inputs[0].uri": ext.input,
        "ext.audio.uri": ext.audio and ext.audio.uri,
        "ext.control.input": ext.control.video,
        "ext.control.mask": ext.control.mask,
        "settings": settings.input_video,
        "settings.control": settings.control_video,
    }
    yield from ((path, name) for path, name in named.items() if name)
    yield from (("settings", name) for name in settings.images.files)
    for block in timeline.blocks:
        yield from ((f"prompts[{block.index}]", name) for name in block.images.files)


def is_inside(name: str) -> bool:
    """Say whether a name stays in the folder from which it is seen, on any system."""
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    return not (
        windows.drive
        or windows.root
        or posix.is_absolute()
        or name.startswith("~")
        or ".." in windows.parts
        or "\0" in name
    )
