"""Clients that send or read slowly, or in shapes that proxies read in another way."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import uvicorn
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from farm.running import wait_until
from rushes.files.folders import Folders
from rushes_queue.broker.preview import NoFrameError
from rushes_queue.web.alone.jobs import OwnJobs
from rushes_queue.web.safety.connections import PatientProtocol
from web.serving import Serving, serving

PATIENCE_SECONDS = 60


@contextmanager
def server_in(folder: Path) -> Iterator[Serving]:
    folders = Folders(folder / "models", folder / "cache", ())
    with serving(OwnJobs(folder / "own", folders), folder) as served:
        yield served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server as it is."""
    with server_in(tmp_path_factory.mktemp("patient")) as served:
        yield served


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose clients have a second to ask."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PatientProtocol, "seconds_to_ask", 1.0)
        with server_in(tmp_path_factory.mktemp("impatient")) as served:
            yield served


@contextmanager
def line_to(served: Serving) -> Iterator[socket.socket]:
    place = ("127.0.0.1", served.server.port)
    with socket.create_connection(place, timeout=PATIENCE_SECONDS) as line:
        yield line


def head(served: Serving, path: str = "/login", method: str = "GET", *more: str) -> bytes:
    host = f"127.0.0.1:{served.server.port}"
    bearer = f"Authorization: Bearer {served.server.access.secret}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", bearer, *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_answer(line: socket.socket) -> bytes:
    """Read one answer with a length; return it."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += line.recv(1)
    length = next(
        int(each.partition(b":")[2])
        for each in text.split(b"\r\n")
        if each.lower().startswith(b"content-length:")
    )
    while length:
        part = line.recv(length)
        length -= len(part)
        text += part
    return text


def is_cut(line: socket.socket, drip: bytes = b"") -> bool:
    """Send a byte now and then; say whether the server ends the connection before long."""
    line.settimeout(0.1)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if drip:
                line.sendall(drip)
            if line.recv(1000) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_a_head_that_drips_is_not_waited_for(impatient: Serving) -> None:
    with line_to(impatient) as line:
        line.sendall(head(impatient)[:-2] + b"X-Drip: ")
        assert is_cut(line, b"x")


def test_a_second_head_that_drips_is_not_waited_for_either(impatient: Serving) -> None:
    with line_to(impatient) as line:
        line.sendall(head(impatient))
        assert read_answer(line).startswith(b"HTTP/1.1 200")
        line.sendall(head(impatient)[:-2] + b"X-Drip: ")
        assert is_cut(line, b"x")


def test_a_second_request_is_answered_as_the_first(served: Serving) -> None:
    with line_to(served) as line:
        for _ in range(3):
            line.sendall(head(served)[:10])
            line.sendall(head(served)[10:])
            assert read_answer(line).startswith(b"HTTP/1.1 200")
        line.sendall(head(served) * 2)  # at once
        assert read_answer(line).startswith(b"HTTP/1.1 200")
        assert read_answer(line).startswith(b"HTTP/1.1 200")


def test_a_request_that_takes_longer_than_asking_may_is_answered(impatient: Serving) -> None:
    with line_to(impatient) as line:
        line.sendall(head(impatient, "/api/v1/watch"))
        text = b""
        while b"connected" not in text:
            text += line.recv(1000)
        line.settimeout(2.5)
        with suppress(TimeoutError):
            assert line.recv(1000)  # the line is not cut


@pytest.mark.parametrize(
    "shape",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: +4",),
        ("Content-Length: 4,5",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: 4\x00",),
        ("Host: evil.example",),
    ],
    ids=str,
)
def test_bodies_that_two_servers_would_end_elsewhere_are_refused(
    served: Serving, shape: tuple[str, ...]
) -> None:
    """And nothing that follows is taken for a request: the connection ends."""
    smuggled = b"0\r\n\r\n" + head(served, "/api/v1/about")
    with line_to(served) as line:
        line.sendall(head(served, "/api/v1/cancel", "POST", *shape) + smuggled)
        text = b""
        with suppress(OSError):
            while part := line.recv(10_000):
                text += part
    assert text.count(b"HTTP/1.1") == 1, text
    assert text.split()[1] in (b"400", b"501"), text[:200]


def test_an_upgrade_to_another_protocol_is_answered_as_plain_http(served: Serving) -> None:
    for protocol in ("websocket", "h2c"):
        wanted = ("Connection: Upgrade", f"Upgrade: {protocol}", "Sec-WebSocket-Version: 13")
        with line_to(served) as line:
            line.sendall(head(served, "/login", "GET", *wanted, "Sec-WebSocket-Key: AAAA"))
            assert read_answer(line).startswith(b"HTTP/1.1 200")


@contextmanager
def endless_server() -> Iterator[tuple[int, list[str]]]:
    """A server whose answer never ends; yields its port, and what became of its answers."""
    ends: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def parts() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0)
                yield bytes(2**16)

        await StreamingResponse(parts())(scope, receive, send)
        ends.append("over")

    place = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=PatientProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        yield place.getsockname()[1], ends
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        place.close()


def test_who_reads_a_byte_a_second_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "seconds_to_read", 0.5)
    with endless_server() as (port, ends), socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", port))
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ends:
            assert time.monotonic() < deadline, "who does not read is still served"
            line.recv(1)
            time.sleep(0.2)


def test_who_reads_on_has_all_the_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "seconds_to_read", 0.05)
    cut = []

    class Line(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return default

        def abort(self) -> None:
            cut.append("cut")

    async def read_on() -> None:
        config = uvicorn.Config(StreamingResponse(()), log_config=None)
        protocol = PatientProtocol(config, ServerState(), {})
        protocol.connection_made(Line())
        for _ in range(3):
            protocol.pause_writing()
            protocol.resume_writing()
        await asyncio.sleep(0.1)
        assert not cut
        protocol.pause_writing()
        await asyncio.sleep(0.1)
        protocol.connection_lost(ConnectionAbortedError())

    asyncio.run(read_on())
    assert cut == ["cut"]


def test_many_who_wait_for_frames_leave_threads_for_everything_else(served: Serving) -> None:
    is_over = threading.Event()

    def wait_for_frame(job: str, timeout: float) -> None:
        is_over.wait(PATIENCE_SECONDS)
        raise NoFrameError("no frame")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served.services.frames, "get", wait_for_frame)
        address = f"{served.api}/preview/{'a' * 16}"
        waiting = [threading.Thread(target=served.client.get, args=(address,)) for _ in range(60)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: served.services.viewing.available_tokens == 0, "all threads of viewers")
        assert served.json("jobs")["num_jobs"] == 0
        is_over.set()
        for thread in waiting:
            thread.join(PATIENCE_SECONDS)
