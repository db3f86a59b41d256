"""Finds the files that a document names: beside it, or embedded in it.

Documents name files by paths of their author's machine; only the name at the end counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ASSETS = "assets"  # a folder beside the document that is searched as well


@dataclass(frozen=True)
class Nearby:
    """Where the files of a document may lie.

    ``folder`` is the document's own, ``embedded`` the files that it holds by their names, and
    ``lora_folders`` are searched for LoRAs. ``assets`` is where embedded files are kept; ``lifted``
    has the texts that were too long to be read with the document, by their placeholders.
    """

    lora_folders: Sequence[Path] = ()
    folder: Path | None = None
    embedded: Mapping[str, Path] = field(default_factory=dict)
    assets: Path | None = None
    lifted: Mapping[str, Path] = field(default_factory=dict)

    def find(self, written: str) -> str | None:
        """Return the file that is meant by a path, relative to the folder or absolute, if any."""
        name = base_name(written)
        if not is_file_name(name):
            return None
        if name in self.embedded:
            return str(self.embedded[name].absolute())
        if self.folder is None:
            return None
        for relative in (name, f"{ASSETS}/{name}"):
            if (self.folder / relative).is_file():
                return relative
        return None


def base_name(path: str) -> str:
    """Return the name at the end of a path of any operating system."""
    return re.split(r"[\\/]", path)[-1]


def is_file_name(name: str) -> bool:
    """Say whether a text can be the name of a file, without a folder."""
    return 0 < len(name) <= 255 and name not in (".", "..") and not set(name) & set("/\\\0")
