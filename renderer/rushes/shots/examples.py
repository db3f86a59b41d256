"""The example timelines that travel with the package, and copies of them to play with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import ConflictError, MissingFileError
from rushes.files.publish import write_atomically
from rushes.files.resources import data_folder
from rushes.timeline.document import MICROSECONDS, Timeline
from rushes.timeline.read.load import load_timeline


@dataclass(frozen=True)
class Example:
    """A timeline of ours, and the clip that it is rendered over."""

    name: str
    file: Path
    timeline: Timeline

    @property
    def clip(self) -> Path | None:
        """The input video, if there is one."""
        named = self.timeline.ext.input
        return None if named is None else self.file.parent / named

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(block.end or 0 for block in self.timeline.blocks) / MICROSECONDS

    @property
    def first_prompt(self) -> str:
        """The text that it begins with."""
        return self.timeline.blocks[0].prompts[0].text


def example_names() -> list[str]:
    """Return the names of all examples."""
    return sorted(file.stem for file in data_folder("timelines").glob("*.json"))


def open_examples(names: Sequence[str] = ()) -> list[Example]:
    """Return the examples of these names, or all of them.

    Raises: MissingFileError for an unknown name.
    """
    known = example_names()
    for name in names:
        if name not in known:
            raise MissingFileError(f"{name}: is not an example; there are {', '.join(known)}")
    folder = data_folder("timelines")
    files = [folder / f"{name}.json" for name in dict.fromkeys(names or known)]
    return [Example(file.stem, file, load_timeline(file).require()) for file in files]


def copy_examples(examples: Sequence[Example], folder: Path, *, force: bool = False) -> list[Path]:
    """Copy examples and their clips into a folder, which is made, and return the copies.

    Equal files that exist are kept.
    Raises: ConflictError when another file has the name, unless ``force``; WriteError.
    """
    sources = [file for each in examples for file in (each.file, each.clip) if file is not None]
    contents = {folder / source.name: source.read_bytes() for source in dict.fromkeys(sources)}
    for target, content in contents.items():
        if target.exists() and not force and target.read_bytes() != content:
            raise ConflictError(f"{target}: is there already; choose another folder or --force")
    for target, content in contents.items():
        write_atomically(target, content)
    return list(contents)
