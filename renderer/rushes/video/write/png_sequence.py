"""Write frames as numbered PNG files in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rushes.video.names import NUMBER
from rushes.video.write.segments import copy_pictures


def write_pictures(folder: Path, pattern: str, segments: Sequence[Path]) -> None:
    """Write the frames of lossless segments as PNG files, numbered from 0."""
    number = NUMBER.findall(pattern)[0]
    for index, picture in enumerate(copy_pictures(segments)):
        (folder / pattern.replace(number, number % index)).write_bytes(picture)


def holds_other_files(folder: Path, pattern: str) -> bool:
    """Tell whether a folder holds anything but the frames of an earlier result."""
    begin, end = (re.escape(part) for part in NUMBER.split(pattern))
    frame = re.compile(rf"{begin}\d+{end}")
    return folder.is_dir() and not all(frame.fullmatch(file.name) for file in folder.iterdir())
