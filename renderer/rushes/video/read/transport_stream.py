"""Where the codec of an MPEG transport stream changes: a take of another kind was appended there.

FFmpeg decodes such a stream with the decoder of its beginning.

Source: ISO/IEC 13818-1 sections 2.4.3 (packets) and 2.4.4 (PAT and PMT, table 2-34 for the types)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

_PACKET, _SYNC = 188, 0x47
_PACKETS_AT_ONCE = 2**18  # 49 MB
_VIDEO_TYPES = {0x01, 0x02, 0x10, 0x1B, 0x24, 0x33, 0xD1, 0xD2, 0xEA}
_PAT, _PMT = 0, 2  # table ids; the PID of the first is 0 too


def is_transport_stream(head: bytes) -> bool:
    """Say whether a file that begins so consists of packets."""
    return len(head) > 2 * _PACKET and all(head[at] == _SYNC for at in (0, _PACKET, 2 * _PACKET))


def changes_of_codec(file: BinaryIO, at: int, size: int) -> Iterator[int]:
    """Yield each byte at which streams of pictures begin to have another codec than before."""
    types: frozenset[int] | None = None
    latest_pat = at
    for where, packet in _tables(file, at, size):
        section = _section(packet)
        if section[:1] == bytes([_PAT]):
            latest_pat = where
        elif section[:1] == bytes([_PMT]):
            found = _video_types(section)
            if types is not None and found and found != types:
                yield latest_pat
            types = found or types


def _tables(file: BinaryIO, at: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the packets that begin a PAT or PMT, with their places; stop where packets are cut."""
    table_pids = {0}
    while at + _PACKET <= size:
        file.seek(at)
        read = file.read(_PACKET * _PACKETS_AT_ONCE)
        count = len(read) // _PACKET
        if not count:
            return
        packets = np.frombuffer(read, np.uint8, count * _PACKET).reshape(count, _PACKET)
        pids = (packets[:, 1] & 0x1F).astype(np.uint16) << 8 | packets[:, 2]
        begins = (packets[:, 0] == _SYNC) & (packets[:, 1] & 0x40 > 0)
        for index in np.flatnonzero(begins & (pids == 0)):
            table_pids |= _program_pids(_section(packets[index].tobytes()))
        for index in np.flatnonzero(begins & np.isin(pids, list(table_pids))):
            yield at + int(index) * _PACKET, packets[index].tobytes()
        if (packets[:, 0] != _SYNC).any():
            return
        at += count * _PACKET


def _section(packet: bytes) -> bytes:
    """Return a table's section from the packet that it begins in."""
    has_field = packet[3] & 0x20
    start = 5 + packet[4] if has_field else 4
    if start >= _PACKET:
        return b""
    start += 1 + packet[start]
    length = int.from_bytes(packet[start + 1 : start + 3]) & 0xFFF
    return packet[start : start + 3 + length - 4]  # without its checksum


def _program_pids(section: bytes) -> set[int]:
    entries = [section[at : at + 4] for at in range(8, len(section) - 3, 4)]
    return {int.from_bytes(each[2:]) & 0x1FFF for each in entries if each[:2] != b"\0\0"}


def _video_types(section: bytes) -> frozenset[int]:
    at = 12 + (int.from_bytes(section[10:12]) & 0xFFF)
    found = set()
    while at + 5 <= len(section):
        found.add(section[at])
        at += 5 + (int.from_bytes(section[at + 3 : at + 5]) & 0xFFF)
    return frozenset(found & _VIDEO_TYPES)
