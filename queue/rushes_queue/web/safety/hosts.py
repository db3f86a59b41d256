"""Which names this server answers to, and from which pages it takes changes.

A page of another site can make a browser send requests here, also under a name of its own that
leads to this machine (DNS rebinding). The header ``Host`` tells under which name a browser asks,
``Origin`` which page does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Hosts:
    """The names of a server that listens on an address; ``names`` are further ones."""

    host: str
    names: Collection[str] = ()

    def is_ours(self, header: str) -> bool:
        """Say whether the header ``Host`` names this server.

        A server for this machine alone answers to this machine's names; one for others also to any
        numeric address, which no page can choose.
        """
        name = host_name(header)
        if name is None:
            return False
        if name in _LOCAL_NAMES or name in self.names or name == self.host.lower():
            return True
        return not self.is_local and _is_numeric(name)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can ask."""
        if self.host.lower() == "localhost":
            return True
        return _is_numeric(self.host) and ip_address(self.host).is_loopback


def host_name(header: str) -> str | None:
    """Return the name in a header ``Host``, without port and brackets."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
        name = parts.hostname
    except ValueError:
        return None
    is_plain = not (parts.path or parts.query or parts.fragment or "@" in header)
    return name if is_plain else None


def is_same_origin(origin: str, host: str) -> bool:
    """Say whether a page of this origin belongs to the server of this header ``Host``."""
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_numeric(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
