"""Facts about the broker's server."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from rushes_queue.broker.connection import broker_errors, connect

if TYPE_CHECKING:
    from redis import Redis

_PINGS = 20
_SECONDS_TO_CONNECT = 3.0


def connect_briefly(url: str) -> Redis:
    """Return a client that gives up after three seconds.

    Raises: ConfigError when this is not a broker's URL.
    """
    client = connect(url)
    client.connection_pool.connection_kwargs.update(
        socket_connect_timeout=_SECONDS_TO_CONNECT, socket_timeout=_SECONDS_TO_CONNECT
    )
    return client


def measure_ping_ms(client: Redis) -> float:
    """Return the median time of a round trip, in milliseconds.

    Raises: BrokerError.
    """
    with broker_errors(client):
        times = []
        for _ in range(_PINGS):
            began = time.perf_counter()
            client.ping()
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def read_info(client: Redis, section: str) -> Any:
    """Return a section of the server's INFO, by name.

    Raises: BrokerError.
    """
    with broker_errors(client):
        return client.info(section)


def read_version(client: Redis) -> tuple[str, str]:
    """Return the server's name, redis or valkey, and its version.

    Raises: BrokerError.
    """
    facts = read_info(client, "server")
    name = "valkey" if "valkey_version" in facts else "redis"
    return name, str(facts.get("valkey_version") or facts["redis_version"])


def read_setting(client: Redis, name: str) -> str | None:
    """Return a setting of the server, None where its provider hides it."""
    from redis.exceptions import ResponseError

    try:
        found: Any = client.config_get(name)
    except ResponseError:
        return None
    return str(found[name]) if name in found else None


def measure_clock_offset(client: Redis) -> float:
    """Return by how many seconds the server's clock is ahead of this machine's.

    Raises: BrokerError.
    """
    with broker_errors(client):
        before = time.time()
        seconds, microseconds = client.time()
        here = (before + time.time()) / 2
    return int(seconds) + int(microseconds) / 1e6 - here
