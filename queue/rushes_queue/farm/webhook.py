"""Requests to web addresses that strangers chose: never to a machine of the private network.

The name is looked up once, what it means is checked, and exactly that is connected to, so that no
second answer of the name server can lead elsewhere. Redirects are not followed.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from rushes.errors import ConfigError, TransientError
from rushes.text import printable, shortened

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

# Networks whose addresses hold an IPv4 address in their last 32 bits.
_HOLDING_IPV4 = (
    ipaddress.ip_network("64:ff9b::/96"),  # RFC 6052
    ipaddress.ip_network("::/96"),  # RFC 4291, section 2.5.5.1
    ipaddress.ip_network("::ffff:0:0:0/96"),  # RFC 2765
)
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_LARGEST_ANSWER = 65_536  # bytes that are read, to be polite


class PrivateAddressError(ConfigError):
    """An address leads into a private network, and that is not allowed."""


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host.

    Raises: OSError.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet, also where it holds another one."""
    ip: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if any(ip in network for network in _HOLDING_IPV4):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            ip = inner
        elif ip.teredo is not None or ip in _LOCAL_NAT64:
            return False
    return ip.is_global and not ip.is_multicast


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_seconds: float,
    is_private_allowed: bool,
    resolve: Resolve = resolve,
) -> None:
    """Send a body; returns when the server has taken it (2xx).

    ``timeout_seconds`` hold for all of it, however slowly the server answers.

    Raises: PrivateAddressError; TransientError when another try may help; ConfigError when not.
    """
    shown = hide_path(url)
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        addresses = resolve(host, port)
    except (OSError, ValueError) as error:
        raise TransientError(f"{shown}: cannot be looked up: {error}") from error
    if not is_private_allowed and not all(map(is_public, addresses)):
        raise PrivateAddressError(
            f"{shown}: leads into a private network; set allow_private_webhooks if it should"
        )
    connection = _connect(parts.scheme, host, port, addresses[0], timeout_seconds)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    is_late = threading.Event()
    deadline = threading.Timer(timeout_seconds, _cut, (connection, is_late))
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", path, body, {**headers, **_authorization(url)})
        answer = connection.getresponse()
        answer.read(_LARGEST_ANSWER)
        if is_late.is_set():  # an answer that was cut may look whole
            raise TimeoutError(f"not whole within {timeout_seconds:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = shortened(printable(str(error)) or type(error).__name__)
        raise TransientError(f"{shown}: no answer: {reason}") from error
    finally:
        deadline.cancel()
        connection.close()
    if answer.status >= 500 or answer.status in (408, 429):
        raise TransientError(f"{shown}: answers {answer.status}")
    if not 200 <= answer.status < 300:
        raise ConfigError(f"{shown}: answers {answer.status}, and redirects are not followed")


def hide_path(url: str) -> str:
    """Return of a web address only what is not a secret: scheme and host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a web address that cannot be read"
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def _connect(
    scheme: str, host: str, port: int, address: str, timeout_seconds: float
) -> http.client.HTTPConnection:
    """Return a connection to this address that speaks to the host of this name."""
    connection: http.client.HTTPConnection
    if scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            host, port, timeout=timeout_seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)

    def create(_: tuple[str, int], timeout: float, source: None = None) -> socket.socket:
        return socket.create_connection((address, port), timeout, source)

    connection._create_connection = create  # type: ignore[attr-defined]
    return connection


def _cut(connection: http.client.HTTPConnection, is_late: threading.Event) -> None:
    """End a connection from another thread: whoever reads from it wakes up."""
    is_late.set()
    with contextlib.suppress(OSError, AttributeError):  # it may be closed, or not yet open
        connection.sock.shutdown(socket.SHUT_RDWR)


def _authorization(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
