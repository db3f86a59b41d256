"""Takes appended byte by byte: the part of a file that each one fills.

FFmpeg reads the first take of an MP4, AVI or FLV file, and of Matroska and MPEG-TS as many as have
the codec of the first; each part is therefore opened on its own.

Source: ISO/IEC 14496-12 section 4.2 (boxes); RFC 8794 section 4 (EBML elements); Adobe Flash Video
File Format 10.1, annex E.2 (the header)
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

from rushes.video.read.transport_stream import changes_of_codec, is_transport_stream

_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"
_DOCUMENT_TYPES = (b"matroska", b"webm")
_FLV, _FLV_HEADER_BYTES = b"FLV\x01", b"\0\0\0\x09"
_TS_HEAD_BYTES = 512
MOST_TAKES = 1000
_MOST_BOXES = 1_000_000  # of a film in fragments; a damaged file may hold nothing else


@dataclass(frozen=True)
class Part:
    """The bytes of one take in a file of several."""

    number: int  # from 1 on
    start: int
    end: int

    def url(self, path: Path) -> str:
        """Return the address by which FFmpeg opens these bytes."""
        return f"subfile,,start,{self.start},end,{self.end},,:file:{path.absolute()}"

    def __str__(self) -> str:
        return f"take {self.number}, from byte {self.start:,} on"


def parts_of(path: Path) -> tuple[Part, ...]:
    """Return the parts of a file of several takes; nothing for one of one, or one unreadable."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            starts = list(islice(_starts(file, size), MOST_TAKES + 1))
    except OSError:  # whoever opens it as a video says what is wrong
        return ()
    if len(starts) < 2:
        return ()
    bounds = pairwise([*starts, size])
    return tuple(Part(number, start, end) for number, (start, end) in enumerate(bounds, start=1))


def _starts(file: BinaryIO, size: int) -> Iterator[int]:
    """Yield where a take begins, whatever its container; what follows may be of another one."""
    at = 0
    if is_transport_stream(file.read(_TS_HEAD_BYTES)):
        yield at
        yield from changes_of_codec(file, at, size)
        return
    while at + 12 <= size:
        file.seek(at)
        find_end = _container(file.read(12))
        if find_end is None:
            return
        yield at
        at = find_end(file, at, size)


def _container(head: bytes) -> Callable[[BinaryIO, int, int], int] | None:
    """Return what finds the end of a take that begins like this."""
    if head[4:8] == b"ftyp":
        return _end_of_boxes
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _end_of_riffs
    if head[:4] == _FLV:
        return _end_of_flv
    if head[:4] == _EBML:
        return _end_of_matroska
    return None


def _end_of_boxes(file: BinaryIO, at: int, size: int) -> int:
    """Return the first byte behind the boxes of one film: the next film, or what is not a box."""
    has_movie = False
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            return size
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if has_movie and _container(head) is not None:
            return at
        has_movie = has_movie or head[4:8] == b"moov"
        if length < 8:
            return size
        at += length
    return size


def _end_of_riffs(file: BinaryIO, at: int, size: int) -> int:
    """Return the end of an AVI file; a large one goes on in parts of another kind."""
    is_first = True
    while at + 12 <= size:
        file.seek(at)
        head = file.read(12)
        if head[:4] != b"RIFF" or (head[8:12] == b"AVI " and not is_first):
            return at
        length = int.from_bytes(head[4:8], "little")
        at += 8 + length + length % 2
        is_first = False
    return at


def _end_of_flv(file: BinaryIO, at: int, size: int) -> int:
    return _next(file, at, size, _FLV, lambda head: head[5:9] == _FLV_HEADER_BYTES)


def _end_of_matroska(file: BinaryIO, at: int, size: int) -> int:
    file.seek(at)
    segment = _end_of_element(file.read(12), at)
    if segment is None:
        return size
    file.seek(segment)
    head = file.read(12)
    end = _end_of_element(head, segment) if head[:4] == _SEGMENT else size
    if end is not None:
        return end
    # A segment of unknown length, as of a live stream, ends where another file begins.
    return _next(file, at, size, _EBML, lambda head: any(map(head.__contains__, _DOCUMENT_TYPES)))


def _end_of_element(head: bytes, at: int) -> int | None:
    """Return where an element with an id of four bytes ends; None for one of unknown length."""
    if len(head) < 5 or not head[4]:
        return None
    width = 9 - head[4].bit_length()
    length = int.from_bytes(head[4 : 4 + width]) & ((1 << 7 * width) - 1)
    return None if length == (1 << 7 * width) - 1 else at + 4 + width + length


def _next(
    file: BinaryIO, at: int, size: int, magic: bytes, is_header: Callable[[bytes], bool]
) -> int:
    """Search for the next header of this kind."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = data.find(magic, at + 1)
        while found >= 0:
            if is_header(data[found : found + 64]):
                return found
            found = data.find(magic, found + 1)
    return size
