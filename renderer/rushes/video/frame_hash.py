"""The fingerprint of a result: SHA-256 of all its RGB frames in order, before video encoding.

Where Python's OpenSSL can be called, it hashes while other threads run; elsewhere ``rehashes``
does, which lets them wait. Both can be saved half-way, in the same form.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Protocol, Self

import numpy as np
import rehashes
from numpy.typing import NDArray

_BLOCK = 64  # bytes
# Eight words, the number of blocks, how much of the next block there is, and the block so far.
_STATE = struct.Struct("<32sQB63s")
_BITS = 8


class FrameHash:
    """SHA-256 over frames as they come; how they are grouped makes no difference."""

    def __init__(self) -> None:
        self._hash = _new_hash()

    def update(self, frames: NDArray[np.uint8]) -> None:
        """Take the next frames.

        Shapes:
            frames: [T, H, W, 3]
        """
        self._hash.update(np.ascontiguousarray(frames))

    def hexdigest(self) -> str:
        """Return the hash of all frames so far."""
        return str(rehashes.PySha256.deserialize(self._hash.state()).finalize())

    def state(self) -> str:
        """Return where the hash stands, in hexadecimal, for ``resumed``."""
        return self._hash.state().hex()

    @classmethod
    def resumed(cls, state: str) -> Self:
        """Go on from where another hash stood.

        Raises: ValueError when this is not such a state.
        """
        known = bytes.fromhex(state)
        rehashes.PySha256.deserialize(known)
        frame_hash = cls()
        frame_hash._hash.go_on(known)
        return frame_hash


class _Hash(Protocol):
    def update(self, data: NDArray[np.uint8]) -> None: ...

    def state(self) -> bytes: ...

    def go_on(self, state: bytes) -> None: ...


class _Plain:
    """SHA-256 by ``rehashes``, which holds the interpreter's lock."""

    def __init__(self) -> None:
        self._hash = rehashes.PySha256()

    def update(self, data: NDArray[np.uint8]) -> None:
        self._hash.update(data.tobytes())

    def state(self) -> bytes:
        return bytes(self._hash.serialize())

    def go_on(self, state: bytes) -> None:
        self._hash = rehashes.PySha256.deserialize(state)


class _Context(ctypes.Structure):
    """OpenSSL's ``SHA256_CTX``, from ``openssl/sha.h``."""

    _fields_ = (
        ("words", ctypes.c_uint32 * 8),
        ("low_bits", ctypes.c_uint32),
        ("high_bits", ctypes.c_uint32),
        ("block", ctypes.c_ubyte * _BLOCK),
        ("filled", ctypes.c_uint),
        ("digest_size", ctypes.c_uint),
    )


class _OpenSsl:
    """SHA-256 by OpenSSL; ``ctypes`` gives up the interpreter's lock while it runs."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library, self._context = library, _Context()
        library.SHA256_Init(ctypes.byref(self._context))

    def update(self, data: NDArray[np.uint8]) -> None:
        begin, size = ctypes.c_void_p(data.ctypes.data), ctypes.c_size_t(data.nbytes)
        self._library.SHA256_Update(ctypes.byref(self._context), begin, size)

    def state(self) -> bytes:
        context = self._context
        size = ((context.high_bits << 32) + context.low_bits) // _BITS
        block = bytes(context.block)[: context.filled].ljust(_BLOCK - 1, b"\0")
        words = struct.pack("<8I", *context.words)
        return _STATE.pack(words, size // _BLOCK, context.filled, block)

    def go_on(self, state: bytes) -> None:
        words, num_blocks, filled, block = _STATE.unpack(state)
        context, bits = self._context, (num_blocks * _BLOCK + filled) * _BITS
        context.words[:] = struct.unpack("<8I", words)
        context.low_bits, context.high_bits = bits & 0xFFFFFFFF, bits >> 32
        context.block[:] = block.ljust(_BLOCK, b"\0")
        context.filled = filled


def _new_hash() -> _Hash:
    library = _openssl()
    return _Plain() if library is None else _OpenSsl(library)


@cache
def _openssl() -> ctypes.CDLL | None:
    """Return the OpenSSL that Python's own ``hashlib`` is linked with, if it can be called.

    It is tried first, since its context is not part of its interface.
    """
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        trial, expected = _OpenSsl(library), _Plain()
    except (ImportError, OSError, AttributeError):
        return None
    for size in (150, 7 * _BLOCK):
        part = np.arange(size, dtype=np.uint8)
        trial.update(part)
        expected.update(part)
    return library if trial.state() == expected.state() else None
