"""A connection that breaks: a proxy before the broker which cuts in the middle of a message."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Passes bytes on; ``cut`` ends every connection at once, however far a message has come."""

    def __init__(self, port: int) -> None:
        """``port`` is where the server listens, on this machine."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut_after: int | None = None  # bytes

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            for end in self._open:
                _close(end)
            self._open.clear()

    def cut_after(self, num_bytes: int) -> None:
        """End the connection that passes on so many more bytes, in the middle of them."""
        self._cut_after = num_bytes

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(self._shorten(data))
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)

    def _shorten(self, data: bytes) -> bytes:
        """Return what is still passed on of some bytes.

        Raises: ConnectionResetError, which is an OSError, when it is nothing more.
        """
        if self._cut_after is None:
            return data
        left, self._cut_after = self._cut_after, self._cut_after - len(data)
        if self._cut_after > 0:
            return data
        self._cut_after = None
        self.cut()
        raise ConnectionResetError(f"cut after {left} bytes")


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
