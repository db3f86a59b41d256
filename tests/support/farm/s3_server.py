"""A real S3-compatible server for tests, and a proxy that stands badly between it and us."""

from __future__ import annotations

import atexit
import http.client
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.request import Request, urlopen

import pytest

# It prints its port, and ends when whoever started it does.
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_PAGE = 7  # keys that a listing returns at once, so that every longer one takes several requests

PLACES = ["folder", "bucket"]  # of a storage
# A bucket takes its time.
LONG_PLACES = ["folder", pytest.param("bucket", marks=pytest.mark.long)]

Behaviour = Literal[
    "answer", "slow", "busy", "broken", "full", "forbid", "lose answer", "cut answer"
]
_STATUS = {"busy": 503, "broken": 500, "full": 507, "forbid": 403}
_CODE = {
    "busy": "SlowDown",
    "broken": "InternalError",
    "full": "InsufficientStorage",
    "forbid": "AccessDenied",
}
_SLOW_SECONDS = 1.5  # before an answer

_numbers = itertools.count()


class S3Server:
    """moto's server in a process of its own."""

    def __init__(self) -> None:
        pytest.importorskip("moto", reason="there is no moto[server]")
        environment = os.environ | {"MOTO_S3_DEFAULT_MAX_KEYS": str(_PAGE)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        urlopen(Request(f"{self.endpoint}/{name}", method="PUT")).close()
        return name

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.terminate()
        self._process.wait()


@cache
def running_s3_server() -> S3Server:
    """Return the server of this test run."""
    server = S3Server()
    atexit.register(server.stop)
    return server


@contextmanager
def s3_credentials() -> Iterator[None]:
    """Set credentials that the server takes, and leave nothing of the machine's own."""
    variables = {
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_") or name == "RUSHES_S3_ENDPOINT":
                patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@contextmanager
def bucket_settings(endpoint: str | None = None) -> Iterator[dict[str, str]]:
    """Yield the variables that make an empty bucket the storage; ``endpoint`` is a proxy's."""
    server = running_s3_server()
    with s3_credentials():
        yield {
            "RUSHES_STORAGE_URL": f"s3://{server.new_bucket()}/farm",
            "RUSHES_S3_ENDPOINT": endpoint or server.endpoint,
        }


class Proxy:
    """Passes requests on to a server, or does what ``behave`` says of a request.

    ``behave`` is called with the method, the path and the number of requests so far.
    """

    def __init__(self, server: S3Server, behave: Callable[[str, str, int], Behaviour]) -> None:
        self.requests: list[tuple[str, str, Behaviour]] = []
        self._server = server
        self._behave = behave
        self._lock = threading.Lock()
        self._http = self._listen(0)
        self.port = self._http.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def count(self, behaviour: Behaviour) -> int:
        return sum(found == behaviour for _, _, found in self.requests)

    def vanish(self, seconds: float) -> threading.Thread:
        """Stop listening, and start again after some time, meanwhile in a thread."""
        self.close()

        def come_back() -> None:
            time.sleep(seconds)
            self._http = self._listen(self.port)

        thread = threading.Thread(target=come_back)
        thread.start()
        return thread

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            behaviour = self._behave(handler.command, handler.path, len(self.requests))
            self.requests.append((handler.command, handler.path, behaviour))
        if behaviour in _STATUS:
            code = _CODE[behaviour]
            text = f"<Error><Code>{code}</Code><Message>for the test</Message></Error>".encode()
            _answer(handler, _STATUS[behaviour], {"Content-Length": str(len(text))}, text)
            return
        if behaviour == "slow":
            time.sleep(_SLOW_SECONDS)
        link = http.client.HTTPConnection("127.0.0.1", self._server.port)
        link.request(handler.command, handler.path, body, dict(handler.headers))
        found = link.getresponse()
        data = found.read()
        link.close()
        handler.close_connection = True
        if behaviour == "lose answer":
            return
        if behaviour == "cut answer":
            data = data[: len(data) // 2]
        headers = dict(found.getheaders()) | {"Connection": "close"}
        _answer(handler, found.status, headers, data)


def _answer(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes
) -> None:
    handler.send_response_only(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)
