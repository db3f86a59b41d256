"""Documents with embedded media: long texts are moved into files while they are read.

What remains must keep the size limit of documents without media.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LONGEST_TEXT = 2**20  # bytes of a JSON string that stays in the document
_PIECE = 2**20
_QUOTE_OR_ESCAPE = re.compile(rb'["\\]')


@dataclass
class Lifted:
    """A document without its long texts; ``texts`` has the file of each by its placeholder.

    Placeholders hold a random word, so a document cannot contain one by itself.
    """

    data: bytes = b""
    texts: Mapping[str, Path] = field(default_factory=dict)


@contextmanager
def lift_texts(source: BinaryIO, folder: Path, most_bytes: int) -> Iterator[Lifted]:
    """Read a document and keep its long texts in files of a folder, until the context ends.

    No more than ``most_bytes`` and a piece of the rest are read into memory.
    Raises: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".lifted-", dir=folder) as place:
        scanner = _Scanner(Path(place), secrets.token_hex(16))
        try:
            while len(scanner.kept) <= most_bytes and (piece := source.read(_PIECE)):
                scanner.feed(piece)
        finally:
            scanner.close()
        yield Lifted(bytes(scanner.kept), scanner.texts)


class _Scanner:
    """Separates strings from the rest of a JSON text that arrives in pieces."""

    def __init__(self, folder: Path, word: str) -> None:
        self.kept = bytearray()
        self.texts: dict[str, Path] = {}
        self._folder, self._word = folder, word
        self._string: bytearray | None = None  # of the string that is being read
        self._file: BinaryIO | None = None  # where its bytes go once they are many
        self._is_escaped = False

    def feed(self, piece: bytes) -> None:
        position = 0
        while position < len(piece):
            position = (
                self._outside(piece, position)
                if self._string is None
                else self._inside(piece, position)
            )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._string is not None:  # the document breaks off in a string
            self.kept += self._string

    def _outside(self, piece: bytes, position: int) -> int:
        quote = piece.find(b'"', position)
        end = len(piece) if quote < 0 else quote + 1
        self.kept += piece[position:end]
        if quote >= 0:
            self._string = bytearray()
        return end

    def _inside(self, piece: bytes, position: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            self._take(piece[position : position + 1])
            return position + 1
        found = _QUOTE_OR_ESCAPE.search(piece, position)
        if found is None:
            self._take(piece[position:])
            return len(piece)
        self._take(piece[position : found.start()])
        if found[0] == b"\\":
            self._take(b"\\")
            self._is_escaped = True
        else:
            self._end_string()
        return found.end()

    def _take(self, part: bytes) -> None:
        assert self._string is not None
        if self._file is not None:
            self._file.write(part)
            return
        self._string += part
        if len(self._string) > LONGEST_TEXT:
            name = f"lifted:{self._word}:{len(self.texts)}"
            self.texts[name] = self._folder / str(len(self.texts))
            self._file = self.texts[name].open("xb")
            self._file.write(self._string)
            self._string = bytearray(name.encode())

    def _end_string(self) -> None:
        assert self._string is not None
        self.kept += self._string + b'"'
        if self._file is not None:
            self._file.close()
        self._string = self._file = None
