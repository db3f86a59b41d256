"""Users whom a proxy names: from its address alone, and never as others claim."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes_queue.web.alone.jobs import OwnJobs
from rushes_queue.web.safety.proxies import SpoofedUserError, TrustedProxies, trusted_proxies
from web.serving import Serving, serving

USER = "X-Forwarded-User"


def asked(*values: str, peer: str | None = "127.0.0.1") -> dict[str, Any]:
    headers = [(USER.lower().encode(), value.encode("latin-1")) for value in values]
    client = None if peer is None else (peer, 1)
    return {"type": "http", "headers": headers, "client": client}


def test_a_proxy_names_the_user() -> None:
    proxies = TrustedProxies.read(USER)
    assert proxies.user(asked("anna@example.org")) == "anna@example.org"
    assert proxies.user(asked("anna", peer="::1")) == "anna"
    assert proxies.user(asked()) is None
    assert proxies.user(asked("  ")) is None


@pytest.mark.parametrize("peer", ["10.0.0.8", "192.168.0.1", "::ffff:10.1.0.7", None, "testclient"])
def test_nobody_else_names_anybody(peer: str | None) -> None:
    assert (
        TrustedProxies.read(USER, ["10.0.0.7", "10.0.1.0/24"]).user(asked("anna", peer=peer))
        is None
    )


@pytest.mark.parametrize("peer", ["10.0.0.7", "10.0.1.200", "::ffff:10.0.0.7"])
def test_proxies_are_addresses_or_networks(peer: str) -> None:
    assert (
        TrustedProxies.read(USER, ["10.0.0.7", "10.0.1.0/24"]).user(asked("anna", peer=peer))
        == "anna"
    )


@pytest.mark.parametrize("values", [("root", "anna"), ("root, anna",), ("a" * 129,), ("a\x00",)])
def test_a_user_who_is_named_twice_or_oddly_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(SpoofedUserError):
        TrustedProxies.read(USER).user(asked(*values))


@pytest.mark.parametrize(
    "header",
    [
        *("", "X User", "X:User", "X\r\nY", "Häder", "-", "a" * 70),
        *("User-Agent", "host", "Cookie", "Authorization", "Sec-Fetch-Site", "X-Forwarded-For"),
    ],
)
def test_a_header_that_everybody_sends_is_refused(header: str) -> None:
    with pytest.raises(ConfigError, match="--user-header"):
        TrustedProxies.read(header)


@pytest.mark.parametrize("address", ["", "farm.example", "0.0.0.0/0", "::/0", "10.0.0.7/24"])
def test_a_proxy_is_one_address_or_a_network_of_some(address: str) -> None:
    with pytest.raises(ConfigError, match="--proxy"):
        TrustedProxies.read(USER, [address])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7"])
def test_a_server_for_others_says_who_may_name_users(host: str) -> None:
    with pytest.raises(ConfigError, match="name the proxy"):
        trusted_proxies(USER, (), host=host, has_password=False)
    assert trusted_proxies(USER, (), host=host, has_password=True)
    assert trusted_proxies(USER, ("10.0.0.7",), host=host, has_password=False)
    assert trusted_proxies(None, (), host=host, has_password=False) is None
    with pytest.raises(ConfigError, match="without --user-header"):
        trusted_proxies(None, ("10.0.0.7",), host=host, has_password=True)


def _serving(folder: Path, *proxies: str) -> Any:
    folders = Folders(folder / "models", folder / "cache", ())
    backend = OwnJobs(folder / "own", folders)
    return serving(backend, folder, user_header=USER, proxies=proxies, names=("farm.example",))


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose proxy is on this machine."""
    with _serving(tmp_path_factory.mktemp("behind")) as served:
        yield served


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose proxy has another address than whoever asks here."""
    with _serving(tmp_path_factory.mktemp("elsewhere"), "10.0.0.7") as served:
        yield served


ANNA = {USER: "anna", "host": "farm.example"}


def test_whom_the_proxy_let_in_needs_no_token(behind: Serving) -> None:
    with behind.stranger(**ANNA) as anna:
        assert anna.get("/").status_code == 200
        assert anna.get("/api/v1/about").json()["user"] == "anna"
        ours = {"origin": "https://farm.example"}
        assert (
            anna.post("/api/v1/cancel", json={"jobs": ["a" * 16]}, headers=ours).status_code == 404
        )
    assert behind.json("about")["user"] is None  # who has the token


def test_whom_it_did_not_name_needs_the_token(behind: Serving) -> None:
    with behind.stranger(host="farm.example") as stranger:
        assert stranger.get("/api/v1/about").status_code == 401
        assert stranger.get("/").headers["location"] == "/login"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": "https://farm.example"},
        {},  # a form of an old browser, or a program without the token
    ],
    ids=str,
)
def test_other_pages_change_nothing_in_the_name_of_a_user(
    behind: Serving, headers: dict[str, str]
) -> None:
    with behind.stranger(**ANNA, **headers) as page:
        assert page.post("/api/v1/cancel", json={"all": True}).status_code == 403


def test_other_pages_read_nothing_in_the_name_of_a_user(behind: Serving) -> None:
    with behind.stranger(**ANNA, **{"sec-fetch-site": "cross-site"}) as page:
        assert page.get("/api/v1/jobs").status_code == 403
        assert page.get("/").status_code == 200  # a link to the page


def test_a_client_cannot_put_its_own_name_before_that_of_the_proxy(behind: Serving) -> None:
    twice = [(USER, "root"), (USER, "anna")]
    answer = httpx2.get(f"{behind.api}/about", headers=twice)
    assert answer.status_code == 400
    assert "proxy is to replace" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "claims",
    [
        {"x-forwarded-for": "10.0.0.7"},
        {"x-real-ip": "10.0.0.7"},
        {"forwarded": "for=10.0.0.7"},
        {"x-forwarded-for": "10.0.0.7, 127.0.0.1", "x-forwarded-proto": "https"},
    ],
    ids=str,
)
def test_who_claims_to_be_the_proxy_is_nobody(elsewhere: Serving, claims: dict[str, str]) -> None:
    with elsewhere.stranger(**ANNA, **claims) as stranger:
        assert stranger.get("/api/v1/about").status_code == 401


def test_who_comes_through_the_proxy_is_not_taken_for_another_address(behind: Serving) -> None:
    """Proxies name their clients in ``X-Forwarded-For``; the peer is still the proxy."""
    with behind.stranger(**ANNA, **{"x-forwarded-for": "203.0.113.9"}) as anna:
        assert anna.get("/api/v1/about").json()["user"] == "anna"
