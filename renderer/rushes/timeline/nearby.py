"""Finds the files that a document names: beside it, or embedded in it.

Documents name files by paths of their author's machine; only the name at the end counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ASSETS = "assets"  # a folder beside the document that is searched as well


@dataclass(frozen=True)
class Nearby:
    """Where the files of a document may lie.

    ``folder`` is the document's own, ``embedded`` the files that it holds, each by its name and by
    the other words that name it there. ``lora_folders`` are searched for LoRAs. ``assets`` is where
    embedded files are kept; ``lifted`` has the texts that were too long to be read with the
    document, by their placeholders.
    """

    lora_folders: Sequence[Path] = ()
    folder: Path | None = None
    embedded: Mapping[str, Path] = field(default_factory=dict)
    assets: Path | None = None
    lifted: Mapping[str, Path] = field(default_factory=dict)

    def find(self, written: str) -> str | None:
        """Return the file that is meant by a path, relative to the folder or absolute, if any.

        Accents may be written in either way, and letters large or small, where one file fits.
        """
        name = base_name(written)
        if not is_file_name(name):
            return None
        for key in (written, name):
            if key in self.embedded:
                return str(self.embedded[key].absolute())
        alike = [file for key, file in self.embedded.items() if _plain(key) == _plain(name)]
        if len(set(alike)) == 1:
            return str(alike[0].absolute())
        return None if self.folder is None else _find_in(self.folder, name)


def _find_in(folder: Path, name: str) -> str | None:
    """Return the path of a file below a folder, relative to it."""
    for place in (Path(), Path(ASSETS)):
        if (folder / place / name).is_file():
            return (place / name).as_posix()
    wanted = _plain(name)
    for place in (Path(), Path(ASSETS)):
        try:
            alike = [each for each in (folder / place).iterdir() if _plain(each.name) == wanted]
        except OSError:
            continue
        if len(alike) == 1 and alike[0].is_file():
            return (place / alike[0].name).as_posix()
    return None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def base_name(path: str) -> str:
    """Return the name at the end of a path of any operating system."""
    return re.split(r"[\\/]", path)[-1]


def is_file_name(name: str) -> bool:
    """Say whether a text can be the name of a file, without a folder."""
    return 0 < len(name) <= 255 and name not in (".", "..") and not set(name) & set("/\\\0")
