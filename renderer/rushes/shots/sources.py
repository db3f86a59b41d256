"""A timeline as a program has it: a file, a document in memory, or one that was read before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Unpack

from rushes.errors import TimelineError
from rushes.timeline.document import Timeline
from rushes.timeline.loras import BESIDE
from rushes.timeline.nearby import Nearby
from rushes.timeline.problems import Problem
from rushes.timeline.read.load import (
    LoadedTimeline,
    ReadOptions,
    load_timeline,
    parse_timeline,
)


@dataclass(frozen=True)
class TimelineDocument:
    """A timeline without errors, and the document that it was read from.

    ``problems`` are warnings and notes. Files that the timeline names lie relative to the folder
    of ``file``; a document in memory has a name in the current folder, where no file is made.
    ``content`` is that document, and ``None`` where the file holds it.
    """

    timeline: Timeline
    problems: tuple[Problem, ...]
    file: Path
    content: bytes | None = None

    @property
    def sha256(self) -> str | None:
        """The hash of a document in memory."""
        return None if self.content is None else sha256(self.content).hexdigest()


Source = Path | str | Mapping[str, Any] | TimelineDocument


def read_source(
    source: Source, *, lora_folders: Sequence[Path] = (), **options: Unpack[ReadOptions]
) -> LoadedTimeline:
    """Read a source unless it was read before; the options are those of ``load_timeline``.

    Raises: MissingFileError when there is no such file; TimelineError when the document cannot be
    JSON.
    """
    if isinstance(source, TimelineDocument):
        return LoadedTimeline(source.timeline, source.problems, str(source.file))
    if isinstance(source, Mapping):
        nearby = Nearby((Path(BESIDE), *lora_folders), Path())
        return parse_timeline(_to_json(source), nearby=nearby, **options)
    return load_timeline(source, lora_folders=lora_folders, **options)


def open_source(
    source: Source, *, lora_folders: Sequence[Path] = (), **options: Unpack[ReadOptions]
) -> TimelineDocument:
    """Return a timeline with its document; options as of ``read_source``.

    Raises: TimelineError with a line for each fault; MissingFileError.
    """
    loaded = read_source(source, lora_folders=lora_folders, **options)
    timeline = loaded.require()
    if isinstance(source, TimelineDocument):
        return source
    if not isinstance(source, Mapping):
        return TimelineDocument(timeline, loaded.problems, Path(source))
    content = _to_json(source)
    name = f"timeline-{sha256(content).hexdigest()[:8]}.json"
    return TimelineDocument(timeline, loaded.problems, Path(name), content)


def file_of(source: Source) -> Path:
    """Return where a timeline lies, or would lie as a file; the files that it names are there."""
    if isinstance(source, TimelineDocument):
        return source.file
    return Path("timeline.json") if isinstance(source, Mapping) else Path(source)


def _to_json(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, indent=2, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TimelineError(f"timeline: is not JSON: {error}") from error
