"""Users whom a proxy has let in: it names them in a header, which counts from its address alone.

Source: RFC 9110 §5.1 (what a header's name may be); the headers are those of oauth2-proxy,
Authelia, nginx ``auth_request`` and Caddy ``forward_auth``, such as ``X-Forwarded-User``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from rushes.errors import ConfigError
from rushes_queue.web.safety.hosts import Hosts

DEFAULT_PROXIES = ("127.0.0.1", "::1")
_HEADER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_MOST_CHARACTERS = 128  # of a user's name
# Headers that every browser sends: whoever asks would be a user.
_OF_BROWSERS = frozenset(
    "host origin cookie authorization user-agent accept accept-encoding accept-language connection "
    "content-length content-type referer range dnt upgrade upgrade-insecure-requests te priority "
    "cache-control pragma if-none-match if-modified-since if-range transfer-encoding expect "
    "x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip forwarded via".split()
)


class SpoofedUserError(Exception):
    """A request names its user more than once, or not as a proxy does."""


@dataclass(frozen=True)
class TrustedProxies:
    """The header with the user's name, and the networks from which it is believed."""

    header: str
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def read(cls, header: str, addresses: Sequence[str] = ()) -> TrustedProxies:
        """Read the options ``--user-header`` and ``--proxy``; without addresses, this machine's.

        Raises: ConfigError for a header that browsers send themselves, for text that is not an
            address, and for the network of all addresses.
        """
        if not _HEADER.fullmatch(header):
            raise ConfigError(
                f"--user-header {header[:80]!r}: is not the name of a header; write "
                "X-Forwarded-User, or whatever your proxy sets"
            )
        is_of_browsers = header.lower() in _OF_BROWSERS
        if is_of_browsers or header.lower().startswith(("sec-", "proxy-", "access-control-")):
            raise ConfigError(
                f"--user-header {header}: browsers and proxies send it whoever asks; choose a "
                "header that only your proxy sets, such as X-Forwarded-User"
            )
        return cls(header.lower(), tuple(map(_network, addresses or DEFAULT_PROXIES)))

    def user(self, scope: Scope) -> str | None:
        """Return the user whom a proxy names; None where nobody is named, or somebody else does.

        Raises: SpoofedUserError when a proxy passes on what its client claims.
        """
        if not self.are_peers(scope):
            return None
        values = [value.strip() for value in Headers(scope=scope).getlist(self.header)]
        if not values or values == [""]:
            return None
        if len(values) > 1:
            raise SpoofedUserError(f"the header {self.header} came {len(values)} times")
        name = values[0]
        if len(name) > _MOST_CHARACTERS or not name.isprintable() or "," in name:  # two in one
            raise SpoofedUserError(f"the header {self.header} is not the name of a user")
        return name

    def are_peers(self, scope: Scope) -> bool:
        """Say whether the other end of the connection is one of the proxies."""
        client = scope.get("client")
        try:
            address = ip_address(client[0]) if client else None
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address is not None and any(address in network for network in self.networks)


def trusted_proxies(
    header: str | None, addresses: Sequence[str], *, host: str, has_password: bool
) -> TrustedProxies | None:
    """Return the proxies that a server on an address believes; None without a header.

    Raises: ConfigError, also where others than this machine can ask and nothing says who may.
    """
    if header is None:
        if addresses:
            raise ConfigError("--proxy: says nothing without --user-header NAME")
        return None
    if not (addresses or has_password or Hosts(host).is_local):
        raise ConfigError(
            f"--host {host} --user-header {header}: others than this machine can ask; name the "
            "proxy with --proxy ADDRESS, add --password-file FILE, or listen on 127.0.0.1"
        )
    return TrustedProxies.read(header, addresses)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ConfigError(
            f"--proxy {text[:80]!r}: is not an address or a network; write 10.0.0.7 or 10.0.0.0/24"
        ) from error
    if network.prefixlen == 0:
        raise ConfigError(f"--proxy {text}: is everybody; write the address of the proxy")
    return network
