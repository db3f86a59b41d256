"""Listening: an address that a browser opens, until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from rushes.errors import ConfigError
from rushes_queue.web.api.services import Services
from rushes_queue.web.app import Gate, make_app
from rushes_queue.web.safety.access import Access
from rushes_queue.web.safety.connections import PatientProtocol
from rushes_queue.web.safety.proxies import trusted_proxies

DEFAULT_PORT = 8765
_MOST_CONNECTIONS = 512
_SECONDS_BETWEEN_REQUESTS = 15
_SECONDS_TO_END = 2


class WebServer:
    """A server that has its port, and so its address, before it serves."""

    def __init__(
        self,
        services: Services,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        names: Sequence[str] = (),
        password_file: Path | None = None,
        user_header: str | None = None,
        proxies: Sequence[str] = (),
    ) -> None:
        trusted = trusted_proxies(
            user_header, proxies, host=host, has_password=password_file is not None
        )
        self._socket = _listen(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.access = Access.open(self.port, password_file)
        self._host = host
        config = uvicorn.Config(
            make_app(services, Gate(self.access, host, tuple(names), trusted)),
            http=PatientProtocol,
            ws="none",
            proxy_headers=False,  # who is connected is never what X-Forwarded-For says
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_SECONDS_BETWEEN_REQUESTS,
            timeout_graceful_shutdown=_SECONDS_TO_END,
        )
        self._server = uvicorn.Server(config)

    @property
    def origin(self) -> str:
        """The address without the token."""
        name = "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}"

    @property
    def address(self) -> str:
        """What a browser opens."""
        if self.access.is_password:
            return f"{self.origin}/"
        return f"{self.origin}/?token={self.access.secret}"

    def run(self) -> None:
        """Serve until Ctrl-C, or until ``stop``."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End soon."""
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises: ConfigError when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"--host {host} --port {port}: cannot be listened on: {error.strerror or error}; "
            "choose another, or --port 0 for any that is free"
        ) from error
    return listening
