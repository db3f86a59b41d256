"""Takes appended byte by byte: where each begins in a file whose container holds only one.

FFmpeg reads the first take of an MP4, AVI or FLV file, and the first two of a Matroska file; what
comes behind them would be lost without a word.

Source: ISO/IEC 14496-12 section 4.2 (boxes); RFC 8794 section 4 (EBML elements); Adobe Flash Video
File Format 10.1, annex E.2 (the header)
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"
_FLV = b"FLV\x01"
_KNOWN_TO_FFMPEG = 2  # takes of Matroska
MOST_TAKES = 1000
_MOST_BOXES = 1_000_000  # of a film in fragments; a damaged file may hold nothing else


def starts_of_takes(path: Path) -> list[int]:
    """Return the byte at which each take begins, if FFmpeg needs to be told; else nothing."""
    with path.open("rb") as file:
        head = file.read(12)
        size = file.seek(0, io.SEEK_END)
        known = 1
        if head[4:8] == b"ftyp":
            found = _boxes(file, size)
        elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            found = _riffs(file, size)
        elif head[:4] == _FLV:
            found = _headers(file, _FLV)
        elif head[:4] == _EBML:
            found, known = _segments(file, size), _KNOWN_TO_FFMPEG
        else:
            return []
        starts = list(islice(found, MOST_TAKES))
    return starts if len(starts) > known else []


def concat_list(path: Path, starts: list[int], num_bytes: int) -> bytes:
    """Return a list for FFmpeg's concat demuxer that names each take as a part of the file."""
    quoted = str(path.absolute()).replace("'", r"'\''")
    lines = ["ffconcat version 1.0"]
    for start, end in zip(starts, [*starts[1:], num_bytes], strict=True):
        lines.append(f"file 'subfile,,start,{start},end,{end},,:{quoted}'")
    return "\n".join(lines).encode(errors="surrogateescape")


def _boxes(file: BinaryIO, size: int) -> Iterator[int]:
    at, has_movie = 0, True
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            return
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if head[4:8] == b"ftyp" and has_movie:
            yield at
            has_movie = False
        has_movie = has_movie or head[4:8] == b"moov"
        if length < 8:
            return
        at += length


def _riffs(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 12 <= size:
        file.seek(at)
        head = file.read(12)
        if head[:4] != b"RIFF":
            return
        if head[8:12] == b"AVI ":  # a large file goes on in parts of another kind
            yield at
        length = int.from_bytes(head[4:8], "little")
        at += 8 + length + length % 2


def _headers(file: BinaryIO, magic: bytes) -> Iterator[int]:
    """Search for headers of FLV, which end with their own length."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while at >= 0:
            if data[at + 5 : at + 9] == b"\0\0\0\x09":
                yield at
            at = data.find(magic, at + 1)


def _segments(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 12 <= size:
        file.seek(at)
        head = file.read(20)
        if head[:4] != _EBML:
            return
        yield at
        at = _end_of_element(head, at, size)
        file.seek(at)
        segment = file.read(12)
        if segment[:4] != _SEGMENT:
            return
        at = _end_of_element(segment, at, size)


def _end_of_element(head: bytes, at: int, size: int) -> int:
    """Return where an element with an id of four bytes ends; one of unknown length at the end."""
    if len(head) < 5 or not head[4]:
        return size
    width = 9 - head[4].bit_length()
    length = int.from_bytes(head[4 : 4 + width]) & ((1 << 7 * width) - 1)
    return size if length == (1 << 7 * width) - 1 else at + 4 + width + length
