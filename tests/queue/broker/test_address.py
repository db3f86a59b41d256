"""Brokers' URLs as people write them."""

from __future__ import annotations

import pytest
from kombu.connection import Connection

from rushes.errors import ConfigError
from rushes_queue.broker.address import read_address
from rushes_queue.broker.connection import connect
from rushes_queue.doorbell.app import broker_url_of

WRITTEN = {
    "redis://desk": "redis://desk",
    "redis://desk:7000/1": "redis://desk:7000/1",
    "redis://ann:s%40c%2Fret@desk/0": "redis://ann:s%40c%2Fret@desk/0",
    "redis://desk/0?ssl=True": "rediss://desk/0",
    "redis://desk/0?ssl=false": "redis://desk/0",
    "rediss://desk?ssl=1": "rediss://desk",
    "rediss://desk/0?ssl_cert_reqs=CERT_NONE": "rediss://desk/0?ssl_cert_reqs=none",
    "rediss://desk/0?ssl_cert_reqs=REQUIRED": "rediss://desk/0?ssl_cert_reqs=required",
    "rediss://desk/0?ssl_ca_certs=/etc/ca.pem": "rediss://desk/0?ssl_ca_certs=/etc/ca.pem",
    "redis://desk/?virtual_host=3": "redis://desk/3",
    "redis://desk?db=3": "redis://desk/3",
    "unix:///run/r.sock?virtual_host=2": "unix:///run/r.sock?db=2",
    "unix:///run/a@b.sock": "unix:///run/a@b.sock",
    "unix://:secret@/run/r.sock?db=2": "unix://:secret@/run/r.sock?db=2",
    "redis://desk/1?password=s%40c%2Fret": "redis://:s%40c%2Fret@desk/1",
    "redis://[::1]:6379/0": "redis://[::1]:6379/0",
}


@pytest.mark.parametrize("url", WRITTEN)
def test_a_url_has_one_spelling(url: str) -> None:
    spelt = read_address(url)
    assert spelt == WRITTEN[url]
    assert read_address(spelt) == spelt


@pytest.mark.parametrize("url", WRITTEN)
def test_both_libraries_take_it(url: str) -> None:
    with connect(url) as client:
        client.connection_pool.make_connection()  # which looks at every option
    with Connection(broker_url_of(read_address(url))) as connection:  # type: ignore[no-untyped-call]
        assert connection.transport_cls is not None


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:se#cret@desk/0", "redis://:se/cret@desk/0", "redis://:se?cret@desk/0"),
        *("redis://:se@cret@desk", "rediss://ann:se/cret@", "redis://se/cret:x@desk:1"),
        "unix://:se@cret@/run/r.sock",
    ],
)
def test_a_bare_password_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="percent-encode it: / is %2F") as caught:
        read_address(url)
    assert not any(piece in str(caught.value) for piece in ("se#", "cret", "se/", "se?"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://desk/0?colour=red", "unknown: colour; known are db, ssl_cert_reqs"),
        ("redis://desk/0?socket_timeout=1&x=2", "unknown: socket_timeout, x"),
        ("rediss://desk?ssl=no", "rediss:// and ssl=no"),
        ("redis://desk?ssl_ca_certs=a", "write rediss:// for TLS"),
        ("rediss://desk?ssl_cert_reqs=maybe", "one of none, optional, required"),
        ("redis://desk/1?db=2", "more than one database"),
        ("redis://:a@desk/1?password=b", "password twice"),
        ("redis://desk/one", "not a number"),
        ("redis://desk:port/0", "no usable host and port"),
        ("redis://:secret@", "names no host"),
        ("redis://desk:0/0", "port 0"),
        ("redis://..desk/0", "no usable host and port"),
        (f"redis://{'a' * 70}/0", "no usable host and port"),
        ("unix://run/r.sock", "no whole path"),
        ("redis+sentinel://desk:26379/primary", "name the primary itself"),
        ("rediss://desk?ssl_check_hostname=maybe", "true or false"),
        ("redis://desk/0#1", "has a #"),
        ("unix:///run/r.sock?db=x", "db must be a number"),
        ("desk", "must be a Redis server"),
        ("amqp://desk", "must be a Redis server"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_cure(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_address(url)
