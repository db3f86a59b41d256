"""The connection to the broker, and its errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rushes.errors import ConfigError
from rushes_queue.broker.address import read_address
from rushes_queue.errors import BrokerAnswerError, BrokerError, BrokerFullError

if TYPE_CHECKING:
    from redis import Redis

SOCKET_TIMEOUT_SECONDS = 5.0  # above any time that a call blocks on purpose
CONNECT_TIMEOUT_SECONDS = 5.0
_SECONDS_BETWEEN_HEALTH_CHECKS = 10
_RETRIES = 2
_LOADING = ("LOADING", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "BUSY ")


def connect(url: str) -> Redis:
    """Return a client for ``redis://``, ``rediss://`` or ``unix://``; the first call connects.

    A call whose connection broke is sent again; the scripts allow for that. A call that gets no
    answer in time is not sent again: the caller can decide better what to do.
    Raises: ConfigError when this is not a broker's URL.
    """
    url = read_address(url)
    from redis import Redis, exceptions
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    try:
        return Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="replace",
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            **({} if url.startswith("unix://") else {"socket_keepalive": True}),
            health_check_interval=_SECONDS_BETWEEN_HEALTH_CHECKS,
            retry=Retry(
                ExponentialBackoff(cap=0.5, base=0.05), _RETRIES, (exceptions.ConnectionError,)
            ),
        )
    except ValueError as error:
        raise ConfigError(
            f"{hide_password(url)!r} is not a broker ({error}); write redis://host:6379/0"
        ) from error


def address_of(client: Redis) -> str:
    """Return where the broker is, without any password."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def hide_password(url: str) -> str:
    """Return a URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{'***@' if at and credentials else ''}{place}"


def server_time_ms(client: Redis) -> int:
    """Return the time by the broker's clock, in milliseconds since 1970.

    Raises: BrokerError.
    """
    with broker_errors(client):
        seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


@contextmanager
def broker_errors(client: Redis) -> Iterator[None]:
    """Turn the errors of the broker and of the connection to it into ours.

    Raises: BrokerError, BrokerFullError; ConfigError when trying again cannot help.
    """
    from redis import exceptions

    where = f"the broker at {address_of(client)}"
    try:
        yield
    except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
        raise ConfigError(f"{where} refuses this user or password: {error}") from error
    except exceptions.OutOfMemoryError as error:
        raise BrokerFullError(
            f"{where} is full (maxmemory is reached); remove finished jobs with rushes prune, or "
            "give it more memory"
        ) from error
    except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
        reason = str(error).rstrip(".")
        raise BrokerError(
            f"{where} cannot be reached: {reason}; start it, check the broker's URL, or start a "
            "farm on this machine: rushes up"
        ) from error
    except exceptions.ReadOnlyError as error:
        raise BrokerError(f"{where} is a read-only replica; name the primary") from error
    except exceptions.ResponseError as error:
        text = str(error)
        if text.startswith("MISCONF"):
            raise BrokerError(f"{where} cannot save to its disk; free some space there") from error
        if text.startswith(_LOADING):
            raise BrokerError(f"{where} is not ready: {text}") from error
        raise BrokerAnswerError(
            f"{where} gave an unexpected answer: {text}; rushes doctor looks at it"
        ) from error
