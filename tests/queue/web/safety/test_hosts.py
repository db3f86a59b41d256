"""Which names a server answers to, and which pages may change anything."""

from __future__ import annotations

import pytest

from rushes_queue.web.safety.hosts import Hosts, host_name, is_same_origin


@pytest.mark.parametrize("header", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST"])
def test_a_local_server_answers_to_the_names_of_this_machine(header: str) -> None:
    assert Hosts("127.0.0.1").is_ours(header)


@pytest.mark.parametrize(
    "header",
    [
        *("", "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.0.7:8765"),
        *("127.0.0.1@evil.example", "evil.example#127.0.0.1", "127.0.0.1/../x", "[::1", "a:b:c"),
    ],
)
def test_a_local_server_does_not_answer_to_other_names(header: str) -> None:
    assert not Hosts("127.0.0.1").is_ours(header)


def test_a_server_for_others_answers_to_addresses_that_no_page_can_choose() -> None:
    hosts = Hosts("0.0.0.0", ("farm.example",))
    assert not hosts.is_local
    assert all(map(hosts.is_ours, ("192.168.0.7:8765", "[fe80::1]:8765", "farm.example")))
    assert not hosts.is_ours("evil.example")


@pytest.mark.parametrize(
    ("host", "is_local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("::", False)]
)
def test_only_loopback_is_local(host: str, is_local: bool) -> None:
    assert Hosts(host).is_local is is_local


def test_the_name_is_read_without_its_port() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("Farm.Example:80") == "farm.example"
    assert host_name("farm:99999") is None


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://127.0.0.1:8765", True),
        ("https://127.0.0.1:8765", True),
        ("http://127.0.0.1:9999", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        ("file://127.0.0.1:8765", False),
    ],
)
def test_an_origin_has_the_port_too(origin: str, is_ours: bool) -> None:
    assert is_same_origin(origin, "127.0.0.1:8765") is is_ours
