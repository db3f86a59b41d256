"""POST to untrusted web addresses: never to a machine of the private network.

The name is looked up once, every address that it stands for is checked, and the connection goes to
a checked address, so DNS rebinding cannot redirect it. Redirects are not followed, and proxies of
the environment are not used. httpx's client logs whole addresses, which may hold tokens; its
transport does not, so requests go through the transport.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2

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
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_ANSWER_BYTES = 65_536  # more of an answer is not read


class PrivateAddressError(ConfigError):
    """An address leads into a private network, which is not allowed."""


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host.

    Raises: OSError.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Say whether an IP address is public; an embedded IPv4 address counts."""
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
    """Send a body; return when the server has accepted it (2xx).

    ``timeout_seconds`` is the limit for everything together: look-up, TLS handshake, answer.

    Raises: PrivateAddressError; TransientError when another try may help; ConfigError when not.
    """
    shown = hide_path(url)

    async def send() -> int:
        with anyio.fail_after(timeout_seconds):
            target = httpx2.URL(url)
            host = target.raw_host.decode("ascii")
            port = target.port or _DEFAULT_PORTS.get(target.scheme, 0)
            addresses = await anyio.to_thread.run_sync(resolve, host, port, abandon_on_cancel=True)
            if not is_private_allowed and not all(map(is_public, addresses)):
                raise PrivateAddressError(
                    f"{shown}: leads into a private network; set allow_private_webhooks to allow it"
                )
            return await _send(_request(target, addresses[0], body, headers))

    try:
        status = anyio.run(send)
    except TimeoutError as error:
        raise TransientError(f"{shown}: no answer within {timeout_seconds:g} s") from error
    except (OSError, ValueError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise TransientError(f"{shown}: no answer: {_reason(error)}") from error
    if status >= 500 or status in (408, 429):
        raise TransientError(f"{shown}: answers {status}")
    if not 200 <= status < 300:
        raise ConfigError(f"{shown}: answers {status}; redirects are not followed")


def hide_path(url: str) -> str:
    """Return scheme and host of a web address; the rest may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an invalid web address"
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def _request(
    url: httpx2.URL, address: str, body: bytes, headers: Mapping[str, str]
) -> httpx2.Request:
    """Return a request to an IP address that asks for the host of a name, in TLS too."""
    request = httpx2.Request(
        "POST",
        url.copy_with(host=address),
        headers={"Host": url.netloc.decode("ascii"), **headers},
        content=body,
        extensions={"sni_hostname": url.raw_host.decode("ascii")},
    )
    if url.userinfo:
        request = next(httpx2.BasicAuth(url.username, url.password).sync_auth_flow(request))
    return request


async def _send(request: httpx2.Request) -> int:
    """Send a request over a connection of its own and return the status of the answer."""
    opened: list[Any] = []  # a TLS handshake that is cancelled leaves its connection open

    async def trace(event: str, facts: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            opened.append(facts["return_value"])

    request.extensions["trace"] = trace
    verify = ssl.create_default_context() if request.url.scheme == "https" else False
    try:
        async with httpx2.AsyncHTTPTransport(verify=verify, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            async with aclosing(response.aiter_raw()) as pieces:
                async for _ in pieces:
                    if response.num_bytes_downloaded > _MOST_ANSWER_BYTES:
                        break
            return response.status_code
    finally:
        with anyio.CancelScope(shield=True):
            for connection in opened:
                await connection.aclose()


def _reason(error: BaseException) -> str:
    """Return the message of the root cause: 'connection refused', not 'all attempts failed'."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shortened(printable(str(error)) or type(error).__name__)
