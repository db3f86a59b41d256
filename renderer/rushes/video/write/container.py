"""Opening container files for writing."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import OutputContainer

MUXERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".webm": "webm"}


def open_container(file: Path, extension: str) -> OutputContainer:
    """Open a container for writing, its kind given by an extension and not by the file's name."""
    is_mp4 = extension in {".mp4", ".mov"}
    return av.open(
        f"file:{file.absolute()}",
        "w",
        format=MUXERS[extension],
        # The index in front lets players start before the whole file is there; `bitexact` keeps
        # random ids and dates out.
        container_options={"fflags": "+bitexact"} | ({"movflags": "+faststart"} if is_mp4 else {}),
    )
