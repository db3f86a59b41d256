"""A real Redis or Valkey server for tests: on a free port and a unix socket, in a folder."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rushes.errors import ConfigError
from rushes_queue.broker.connection import connect
from rushes_queue.local.server import find_server

START_SECONDS = 60.0


def server_binary() -> str:
    """Find a server, as ``rushes up`` does."""
    try:
        return str(find_server())
    except ConfigError as error:
        pytest.skip(str(error))


def free_port() -> int:
    """Return a port that nobody listened on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RunningServer:
    """A server that can be stopped, killed, frozen and started again with what it saved."""

    def __init__(self, folder: Path, *options: str, is_saving: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "s"
        self._options = [
            *("--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--dir", str(folder), "--save", ""),
            *("--appendonly", "yes" if is_saving else "no", "--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction", *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [server_binary(), *self._options], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return self
                except RedisConnectionError:
                    if time.monotonic() > deadline or self._process.poll() is not None:
                        raise
                    time.sleep(0.02)

    def client(self) -> Redis:
        """Return a client of its own; close it, or use it as a context."""
        return connect(self.unix_url)

    def stop(self) -> None:
        """Ask the server to save and end."""
        self._signal(signal.SIGTERM)
        self._wait()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def freeze(self) -> None:
        """Stop the server from answering; ``thaw`` lets it go on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(timeout=START_SECONDS)
            self._process = None
