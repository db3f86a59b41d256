"""Which timeline files are meant: files, all those in a folder, or ``-`` for standard input."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from rushes.errors import ConfigError, MissingFileError

STDIN = Path("-")
FILES_HELP = "Timeline or workflow files, folders of them, or - for standard input."
FILE_HELP = "Timeline or workflow file, a folder with one, or - for standard input."
# Suffixes of results: x.mp4.json is a manifest, not a timeline.
_RESULTS = (".mp4", ".mkv", ".mov", ".webm", ".gif", ".png")
_MOST_NAMED = 5


@dataclass(frozen=True)
class TimelineFile:
    """A timeline file: its assumed path, its name in messages, and where its content is.

    What comes from standard input lies in the current folder, with a name from its hash.
    """

    path: Path
    shown: str
    content: Path

    @classmethod
    def at(cls, path: Path) -> TimelineFile:
        """Return an ordinary file."""
        return cls(path, str(path), path)

    @property
    def kept_at(self) -> Path | None:
        """Where the content is, if that is not at the path."""
        return None if self.content == self.path else self.content


def find_timelines(arguments: Sequence[Path]) -> list[TimelineFile]:
    """Return all files that are meant, each once, those of a folder by name.

    Raises: MissingFileError when a folder holds no timeline. A file need not be there.
    """
    found = [file for argument in arguments for file in _expand(argument)]
    return list(dict.fromkeys(found))


def find_timeline(argument: Path) -> TimelineFile:
    """Return the one file that is meant.

    Raises: MissingFileError as ``find_timelines``; ConfigError when a folder holds several.
    """
    found = _expand(argument)
    if len(found) > 1:
        names = ", ".join(file.path.name for file in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" * (len(found) > _MOST_NAMED)
        raise ConfigError(f"{argument}: holds {len(found)} files ({names}{more}); name one of them")
    return found[0]


def _expand(argument: Path) -> list[TimelineFile]:
    if argument == STDIN:
        return [_stored(sys.stdin)]
    if not argument.is_dir():
        return [TimelineFile.at(argument)]
    files = [TimelineFile.at(path) for path in sorted(argument.iterdir()) if _is_timeline(path)]
    if not files:
        raise MissingFileError(f"{argument}: the folder holds no timeline (.json); name a file")
    return files


def _is_timeline(path: Path) -> bool:
    is_manifest = path.with_suffix("").suffix.lower() in _RESULTS
    is_json = path.suffix.lower() == ".json" and not path.name.startswith(".")
    return is_json and not is_manifest and path.is_file()


@cache  # it can be read only once
def _stored(stream: TextIO) -> TimelineFile:
    """Copy a stream into a file that lasts as long as this process."""
    from rushes.files.hashes import sha256_of

    content = Path(_folder().name) / f"{id(stream)}.json"
    with content.open("wb") as file:
        shutil.copyfileobj(stream.buffer, file)
    name = f"timeline-{sha256_of(content)[:8]}.json"
    return TimelineFile(Path(name), "standard input", content)


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="rushes-")
