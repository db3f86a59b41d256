"""POST to addresses of strangers: public ones only, within one time limit, no redirects."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from farm.hook import Hook
from rushes.errors import ConfigError, TransientError
from rushes_queue.farm.webhook import PrivateAddressError, hide_path, is_public, post

NAME = "hooks.example"
_Serve = Callable[[socket.socket], None]


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


@contextlib.contextmanager
def serving(serve: _Serve) -> Iterator[int]:
    """Hand the first connection to a function; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(10)
    assert not thread.is_alive(), "the connection is still open"


def trickle(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    for _ in range(500):
        connection.sendall(b"x")
        time.sleep(0.05)


def trickle_headers(connection: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX: " + bytes(500):
        connection.sendall(bytes([letter or 120]))
        time.sleep(0.05)


def trickle_handshake(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"\x16\x03\x03\x40\x00")  # a TLS record of 16 KiB follows, byte by byte
    for _ in range(500):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("scheme", "serve"),
    [
        pytest.param("http", trickle, id="body"),
        pytest.param("http", trickle_headers, id="headers"),
        pytest.param("https", trickle_handshake, id="TLS handshake"),
    ],
)
def test_a_server_that_answers_byte_by_byte_is_cut_off(scheme: str, serve: _Serve) -> None:
    begin = time.monotonic()
    with (
        serving(serve) as port,
        pytest.raises(TransientError, match=r"no answer within 0\.5 s"),
    ):
        post(
            f"{scheme}://127.0.0.1:{port}/",
            *(b"{}", {}),
            timeout_seconds=0.5,
            is_private_allowed=True,
        )
    assert time.monotonic() - begin < 5


def test_a_name_server_that_hangs_is_not_waited_for() -> None:
    is_over = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        is_over.wait(20)
        return ["127.0.0.1"]

    begin = time.monotonic()
    try:
        with pytest.raises(TransientError, match="no answer within"):
            post(
                *("http://a.example/", b"", {}),
                timeout_seconds=0.3,
                is_private_allowed=True,
                resolve=hang,
            )
        assert time.monotonic() - begin < 5
    finally:
        is_over.set()


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        received = b""
        while not received.endswith(b"{}"):
            received += connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(bytes(65_536))
            sent.append(1)

    with serving(flood) as port:
        post(*(f"http://127.0.0.1:{port}/", b"{}", {}), timeout_seconds=20, is_private_allowed=True)
    assert len(sent) < 1000


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1"),
        *("::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::808:808"),
        *("ff02::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:1::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


def test_one_private_address_of_a_name_is_enough_to_refuse_it() -> None:
    with pytest.raises(PrivateAddressError):
        post(
            "http://example.com/",
            b"",
            {},
            timeout_seconds=1,
            is_private_allowed=False,
            resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"],
        )


def test_what_was_looked_up_is_connected_to(hook: Hook) -> None:
    url = f"http://does-not-exist.invalid:{hook.server.server_port}/"
    body: dict[str, Any] = {"timeout_seconds": 1.0, "is_private_allowed": True}
    post(url, b"{}", {}, resolve=lambda host, port: ["127.0.0.1"], **body)
    assert hook.requests[0][1]["Host"].startswith("does-not-exist.invalid")


@pytest.mark.parametrize(
    "url", ["http://[::1/", "http://a:99999/", "http://" + "a" * 300 + "/", "https:///x"]
)
def test_addresses_that_cannot_be_used_are_refused(url: str) -> None:
    with pytest.raises((TransientError, ConfigError)):
        post(url, b"", {}, timeout_seconds=0.5, is_private_allowed=False)


def test_what_is_shown_of_an_address_has_no_secret() -> None:
    assert hide_path("https://ann:secret@hooks.example:8443/a/b?c") == "https://hooks.example:8443"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(hook: Hook, status: int) -> None:
    hook.statuses, hook.location = [status], f"{hook.url}/elsewhere"
    with pytest.raises(ConfigError, match=f"answers {status}; redirects are not followed"):
        post(*(hook.url, b"{}", {}), timeout_seconds=5, is_private_allowed=True)
    assert len(hook.requests) == 1


def test_a_name_is_looked_up_once() -> None:
    lookups = []

    def rebind(host: str, port: int) -> list[str]:
        lookups.append(host)
        return ["192.0.2.1"] if len(lookups) == 1 else ["127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(TransientError):
            post(
                *(f"http://a.example:{server.getsockname()[1]}/", b"{}", {}),
                timeout_seconds=0.5,
                is_private_allowed=True,
                resolve=rebind,
            )
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody connected
            server.accept()
    assert lookups == ["a.example"]


def test_proxies_of_the_environment_are_not_used(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    post(*(hook.url, b"{}", {}), timeout_seconds=5, is_private_allowed=True)
    assert len(hook.requests) == 1


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate and key for ``NAME`` in one file; this process trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@pytest.mark.parametrize("name", [NAME, "other.example"])
def test_a_certificate_must_be_for_the_name_not_the_address(certificate: Path, name: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    asked = []
    context.sni_callback = lambda connection, server_name, _: asked.append(server_name)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            received = b""
            while not received.endswith(b"{}"):  # closing with unread bytes would be a reset
                received += secure.recv(4096)
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with serving(answer) as port:

        def send() -> None:
            post(
                *(f"https://{name}:{port}/", b"{}", {}),
                timeout_seconds=5,
                is_private_allowed=True,
                resolve=lambda host, port: ["127.0.0.1"],
            )

        if name == NAME:
            send()
        else:
            with pytest.raises(TransientError, match="certificate"):
                send()
    assert asked == [name]
