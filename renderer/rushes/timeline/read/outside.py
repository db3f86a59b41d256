"""Files that a document names outside its own folder: refused, since documents are passed on."""

from __future__ import annotations

from collections.abc import Iterator

from rushes.timeline.document import Timeline
from rushes.timeline.nearby import Nearby
from rushes.timeline.problems import Problems


def refuse_outside(timeline: Timeline, nearby: Nearby, problems: Problems) -> None:
    """Report every file that is not below the folder of its document, links followed.

    Those that a document holds itself are among the assets of this machine, under their hashes.
    What a user names on the command line is not the document's, and may be anywhere.
    """
    folder = nearby.folder
    if folder is None:  # what is read is text alone
        return
    places = [each.resolve() for each in (folder, nearby.assets) if each is not None]
    for path, name in _named(timeline):
        file = (folder / name).resolve()
        if not any(file.is_relative_to(place) for place in places):
            message = (
                f"{name} is outside the folder of this file; copy it there, or give "
                "--allow-outside if you trust the file"
            )
            problems.error(path, message, name)


def _named(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Yield the files of a timeline, each with where it is named."""
    ext = timeline.ext
    singles = {
        "ext.inputs[0].uri": ext.input,
        "ext.audio.uri": None if ext.audio is None else ext.audio.uri,
        "ext.control.input": ext.control.video,
        "ext.control.mask": ext.control.mask,
    }
    yield from ((path, name) for path, name in singles.items() if name is not None)
    for index, block in enumerate(timeline.blocks):
        yield from ((f"prompts[{index}]", name) for name in block.images.files)
