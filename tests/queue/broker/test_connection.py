"""Connections to the broker: their URLs, and their faults in our words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from redis import Redis, exceptions

from farm.servers import RunningServer, free_port
from rushes.errors import ConfigError, RushesError
from rushes_queue.broker.connection import address_of, broker_errors, connect, hide_password
from rushes_queue.errors import BrokerAnswerError, BrokerError, BrokerFullError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://desk:7000/1", "desk:7000"),
        ("redis://ann:secret@desk", "desk:6379"),
        ("rediss://:secret@desk:7000", "desk:7000"),
        ("unix:///run/redis.sock?db=1", "/run/redis.sock"),
    ],
)
def test_the_address_of_a_broker_has_no_password(url: str, address: str) -> None:
    with connect(url) as client:
        assert address_of(client) == address


@pytest.mark.parametrize("url", ["", "desk:6379", "http://desk", "amqp://ann:secret@desk//"])
def test_what_is_not_a_broker_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"Redis server: write redis://host:6379/0") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://desk:6379/0", "redis://desk:6379/0"),
        ("redis://ann:secret@desk/0", "redis://***@desk/0"),
        ("redis://:se@cret@desk", "redis://***@desk"),
        ("redis://@desk", "redis://desk"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (exceptions.AuthenticationError("WRONGPASS"), ConfigError, "refuses this user or password"),
        (exceptions.NoPermissionError("NOPERM"), ConfigError, "refuses this user or password"),
        (exceptions.OutOfMemoryError("OOM"), BrokerFullError, "is full .* rushes prune"),
        (exceptions.ConnectionError("refused"), BrokerError, "cannot be reached: refused"),
        (exceptions.TimeoutError("late"), BrokerError, "cannot be reached: late"),
        (exceptions.ReadOnlyError("READONLY"), BrokerError, "read-only replica; name the primary"),
        (exceptions.ResponseError("MISCONF x"), BrokerError, "cannot save to its disk"),
        (exceptions.ResponseError("LOADING x"), BrokerError, "is not ready: LOADING x"),
        (exceptions.ResponseError("BUSY x"), BrokerError, "is not ready: BUSY x"),
        (exceptions.ResponseError("ERR x"), BrokerAnswerError, "unexpected answer: ERR x"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_fault_is_told_with_the_broker_and_the_cure(
    error: Exception, kind: type[RushesError], words: str
) -> None:
    with (
        connect("redis://ann:secret@desk:7000") as client,
        pytest.raises(RushesError, match=f"^the broker at desk:7000 .*{words}") as caught,
        broker_errors(client),
    ):
        raise error
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)


def test_other_faults_are_not_the_brokers() -> None:
    with connect("redis://desk") as client, pytest.raises(ZeroDivisionError), broker_errors(client):
        raise ZeroDivisionError


def test_a_broker_that_is_not_there_is_told_soon() -> None:
    begin = time.monotonic()
    with (
        connect(f"redis://127.0.0.1:{free_port()}") as client,
        pytest.raises(BrokerError, match="rushes up"),
        broker_errors(client),
    ):
        client.ping()
    assert time.monotonic() - begin < 10


def test_a_call_whose_connection_broke_is_sent_again(redis_client: Redis) -> None:
    redis_client.set("a", "1")
    assert redis_client.client_kill_filter(_type="normal", skipme=False) is not None
    assert redis_client.get("a") == "1"


def test_bytes_that_are_not_text_do_not_stop_a_reader(redis_client: Redis) -> None:
    redis_client.set("a", b"cat \xff")
    assert redis_client.get("a") == "cat \ufffd"


def test_a_unix_socket_answers(redis_server: RunningServer, tmp_path: Path) -> None:
    with connect(redis_server.unix_url) as client:
        assert client.ping()
    with (
        connect(f"unix://{tmp_path}/none") as client,
        pytest.raises(BrokerError, match=f"{tmp_path}/none"),
        broker_errors(client),
    ):
        client.ping()
