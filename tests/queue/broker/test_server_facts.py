"""What the server says of itself."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from farm.servers import RunningServer, free_port
from rushes.errors import ConfigError
from rushes_queue.broker.server_facts import (
    connect_briefly,
    measure_clock_offset,
    measure_ping_ms,
    read_info,
    read_setting,
    read_version,
)
from rushes_queue.errors import BrokerError


def test_the_server_names_itself_and_its_version(redis_client: Redis) -> None:
    name, version = read_version(redis_client)
    info = read_info(redis_client, "server")
    assert version == info[f"{name}_version"]
    assert (name == "valkey") == ("valkey_version" in info)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ({"redis_version": "7.4.1"}, ("redis", "7.4.1")),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.0"}, ("valkey", "9.1.0")),
    ],
    ids=["redis", "valkey"],
)
def test_valkey_also_says_which_redis_it_is_like(
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
    says: dict[str, str],
    version: tuple[str, str],
) -> None:
    monkeypatch.setattr(redis_client, "info", lambda section: says)
    assert read_version(redis_client) == version


def test_a_round_trip_takes_a_moment(redis_client: Redis) -> None:
    assert 0 < measure_ping_ms(redis_client) < 1000


def test_the_clock_of_this_machine_is_the_servers(redis_client: Redis) -> None:
    assert abs(measure_clock_offset(redis_client)) < 1


def test_a_clock_that_is_ahead_has_a_positive_offset(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 60)
    assert measure_clock_offset(redis_client) == pytest.approx(60, abs=1)


def test_settings_are_read_as_text(redis_client: Redis) -> None:
    assert read_setting(redis_client, "maxmemory-policy") == "noeviction"
    assert read_setting(redis_client, "no-such-setting") is None


def test_a_provider_that_does_not_tell_its_settings(redis_server: RunningServer) -> None:
    with redis_server.client() as admin:
        admin.acl_setuser(
            "guest", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"]
        )
        try:
            with connect_briefly(f"redis://guest:x@127.0.0.1:{redis_server.port}") as client:
                assert read_setting(client, "maxmemory-policy") is None
        finally:
            admin.acl_deluser("guest")


def test_who_does_not_answer_is_given_up_after_a_while() -> None:
    with connect_briefly(f"redis://127.0.0.1:{free_port()}") as client:
        options = client.connection_pool.connection_kwargs
        assert options["socket_timeout"] == options["socket_connect_timeout"] == 3
        for ask in (measure_ping_ms, read_version, measure_clock_offset):
            with pytest.raises(BrokerError, match="cannot be reached"):
                ask(client)


def test_what_is_not_a_broker_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a Redis server"):
        connect_briefly("nonsense")
