"""Where a result appears, given the name that the user asked for."""

from __future__ import annotations

import re
from pathlib import Path

from rushes.errors import ConfigError

PICTURES = ".png"  # the extension of a result that is a folder of pictures
NUMBER = re.compile(r"%0?\d*d")


def result_path(output: Path) -> Path:
    """Return the file, or for pictures the folder, that a result becomes."""
    return folder_and_pattern(output)[0] if output.suffix.lower() == PICTURES else output


def folder_and_pattern(path: Path) -> tuple[Path, str]:
    """Return the folder that a PNG result makes, and its files' names.

    `shots/cat_%05d.png` fills the folder `shots`, `cat.png` the folder `cat`; the folder is new,
    so that it can appear complete.
    Raises: ConfigError when the name has more than one number in it, or no folder of its own.
    """
    numbers = NUMBER.findall(path.name)
    if not numbers:
        return path.with_suffix(""), "%05d.png"
    if len(numbers) > 1:
        raise ConfigError(f"{path}: has {len(numbers)} numbers in its name; use one, as in %05d")
    if path.parent in {Path(), Path("/")} or path.parent.name == "..":
        raise ConfigError(f"{path}: give the pictures a folder of their own, as in out/{path.name}")
    return path.parent, path.name


def name_beside(output: Path, extension: str) -> Path:
    """Name a file that goes with a result: the extension follows the result's whole name.

    Pictures with names of their own lie in a folder, which stands for them: what goes with
    `shots/cat_%05d.png` is `shots.png.json`.
    """
    if output.suffix.lower() == PICTURES and NUMBER.search(output.name):
        folder = result_path(output)
        return folder.with_name(f"{folder.name}{PICTURES}{extension}")
    return output.with_name(f"{output.name}{extension}")


def name_take(output: Path, seed: int) -> Path:
    """Name one of several takes: the seed follows the name of what it becomes."""
    if output.suffix.lower() == PICTURES and NUMBER.search(output.name):
        folder = result_path(output)
        return folder.with_name(f"{folder.name}-{seed}") / output.name
    return output.with_name(f"{output.stem}-{seed}{output.suffix}")
