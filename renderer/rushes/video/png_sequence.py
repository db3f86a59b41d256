"""Write frames as numbered PNG files in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rushes.errors import ConfigError
from rushes.video.segments import copy_pictures

_NUMBER = re.compile(r"%0?\d*d")


def write_pictures(folder: Path, pattern: str, segments: Sequence[Path]) -> None:
    """Write the frames of lossless segments as PNG files, numbered from 0."""
    number = _NUMBER.findall(pattern)[0]
    for index, picture in enumerate(copy_pictures(segments)):
        (folder / pattern.replace(number, number % index)).write_bytes(picture)


def holds_other_files(folder: Path, pattern: str) -> bool:
    """Tell whether a folder holds anything but the frames of an earlier result."""
    begin, end = (re.escape(part) for part in _NUMBER.split(pattern))
    frame = re.compile(rf"{begin}\d+{end}")
    return folder.is_dir() and not all(frame.fullmatch(file.name) for file in folder.iterdir())


def folder_and_pattern(path: Path) -> tuple[Path, str]:
    """Return the folder that a PNG result makes, and its files' names.

    `shots/cat_%05d.png` fills the folder `shots`, `cat.png` the folder `cat`; the folder is new,
    so that it can appear complete.
    Raises: ConfigError when the name has more than one number in it, or no folder of its own.
    """
    numbers = _NUMBER.findall(path.name)
    if not numbers:
        return path.with_suffix(""), "%05d.png"
    if len(numbers) > 1:
        raise ConfigError(f"{path}: has {len(numbers)} numbers in its name; use one, as in %05d")
    if path.parent in {Path(), Path("/")} or path.parent.name == "..":
        raise ConfigError(f"{path}: give the pictures a folder of their own, as in out/{path.name}")
    return path.parent, path.name
