"""The broker: whether it can be reached, and whether it keeps its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rushes_queue.broker.connection import address_of
from rushes_queue.broker.server_facts import (
    connect_briefly,
    measure_clock_offset,
    measure_ping_ms,
    read_info,
    read_setting,
    read_version,
)
from rushes_queue.doctor.finding import Check, Finding, fault, ok, warning
from rushes_queue.errors import BrokerError
from rushes_queue.local.server import OLDEST_VERSION
from rushes_queue.settings.loaded import LoadedSettings

if TYPE_CHECKING:
    from redis import Redis

_SLOW_MS = 20.0  # a chunk costs two or three round trips
_FULL = 0.8
_CLOCK_SECONDS = 5.0
_LOCAL = ("localhost", "127.0.0.1", "::1")


def check_reach(loaded: LoadedSettings) -> Iterator[Finding]:
    """Connect and measure; that no broker is configured is not a fault, but reported."""
    client = connect_briefly(loaded.settings.broker_url.get_secret_value())
    try:
        ping_ms = measure_ping_ms(client)
    except BrokerError as error:
        if loaded.origin("broker_url").kind == "default":
            yield warning(
                "broker", "is not configured, so there is no farm", "rushes up, or docs/farm.md"
            )
        else:
            yield fault("broker", str(error), "start it, or correct RUSHES_BROKER_URL")
        return
    detail = f"{address_of(client)} answers in {ping_ms:.1f} ms"
    if ping_ms > _SLOW_MS:
        yield warning("broker", detail, "move broker and workers closer together")
    else:
        yield ok("broker", detail)
    for check in (_version, _persistence, _memory, _clock, _security, _redelivery):
        yield from check(client, loaded)


def _version(client: Redis, _: LoadedSettings) -> Iterator[Finding]:
    name, version = read_version(client)
    if int(version.split(".")[0]) < OLDEST_VERSION:
        yield fault("version", f"{name} {version}", f"update it to {OLDEST_VERSION} or later")
    else:
        yield ok("version", f"{name} {version}")


def _persistence(client: Redis, _: LoadedSettings) -> Iterator[Finding]:
    facts = read_info(client, "persistence")
    if not int(facts.get("aof_enabled", 0)):
        yield fault(
            "persistence",
            "there is no append-only file: a restart of the broker forgets every job",
            "redis-cli CONFIG SET appendonly yes, and the same in its configuration file; "
            "rushes reconcile brings jobs back",
        )
        return
    if facts.get("aof_last_write_status", "ok") != "ok":
        yield fault("persistence", "the last write failed", "make room on the broker's disk")
        return
    sync = read_setting(client, "appendfsync")
    if sync == "no":
        yield warning(
            "persistence",
            "appendfsync is no: a power cut may lose half a minute",
            "redis-cli CONFIG SET appendfsync everysec, and the same in its configuration file",
        )
    else:
        yield ok("persistence", f"append-only file, synced {sync or 'set by its provider'}")


def _memory(client: Redis, _: LoadedSettings) -> Iterator[Finding]:
    facts = read_info(client, "memory")
    used, limit = int(facts["used_memory"]), int(facts.get("maxmemory", 0))
    policy = facts.get("maxmemory_policy", "noeviction")
    detail = (
        f"{used / 1e6:,.1f} MB of {f'{limit / 1e6:,.0f} MB' if limit else 'no limit'}, {policy}"
    )
    if policy != "noeviction":
        complain = fault if limit else warning
        yield complain(
            "memory",
            f"{detail}: when it is full, records of jobs are thrown away",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and in its configuration file",
        )
    elif limit and used > _FULL * limit:
        yield warning("memory", detail, "rushes prune removes old jobs; or raise maxmemory")
    else:
        yield ok("memory", detail)


def _clock(client: Redis, _: LoadedSettings) -> Iterator[Finding]:
    offset = measure_clock_offset(client)
    if abs(offset) > _CLOCK_SECONDS:
        yield warning(
            "clock",
            f"the broker's is {offset:+.1f} s off this machine's; leases count by the broker's "
            "alone, but times shown are wrong",
            "set both by NTP",
        )
    else:
        yield ok("clock", f"{offset * 1000:+.0f} ms off this machine's")


def _security(client: Redis, loaded: LoadedSettings) -> Iterator[Finding]:
    url = urlsplit(loaded.settings.broker_url.get_secret_value())
    if url.scheme == "unix" or url.hostname in _LOCAL:
        is_open = read_setting(client, "protected-mode") == "no" and not url.password
        if is_open:
            yield warning(
                "security", "no password and no protected mode", "set requirepass; docs/farm.md"
            )
        else:
            yield ok("security", "on this machine")
    elif not url.password:
        yield fault(
            "security",
            "anybody who reaches the broker can read and change every job",
            "set requirepass, or users with ACLs; docs/farm.md",
        )
    elif url.scheme != "rediss":
        yield warning(
            "security",
            "password and prompts cross the network in the clear",
            "use TLS (rediss://) unless the network is yours alone; docs/farm.md",
        )
    else:
        yield ok("security", "password and TLS")


def _redelivery(_: Redis, loaded: LoadedSettings) -> Iterator[Finding]:
    """Compare lease and doorbell: doorbells delivered again while a job is leased are lost."""
    from rushes_queue.doorbell.app import celery_settings

    visible = celery_settings(loaded.settings)["broker_transport_options"]["visibility_timeout"]
    lease = loaded.settings.lease_seconds
    detail = (
        f"{lease:g} s; doorbells that are not acknowledged are delivered again after {visible:g} s"
    )
    if lease >= visible:
        yield warning("leases", detail, "set RUSHES_LEASE_SECONDS to a minute or less")
    else:
        yield ok("leases", detail)


CHECKS: tuple[Check, ...] = (check_reach,)
