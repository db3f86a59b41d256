"""A server that answers as the model hub does, as far as downloads need it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Files by repository and name; ``requests`` are the GETs, with the byte each began at."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)  # those that are not true
    stop_after: int | None = None  # bytes of the next answer, after which the line breaks
    requests: list[tuple[str, int]] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)  # status of every answer of a repository
    commit: str = COMMIT  # the newest

    def add(self, repository: str, name: str, content: bytes, revision: str = "main") -> None:
        self.files[f"/{repository}/resolve/{revision}/{name}"] = content


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            repository, _, rest = self.path.partition("/resolve/")
            if (status := hub.broken.get(repository.strip("/"))) is not None:
                return self._refuse(status)
            newest = f"{repository}/resolve/main/{rest.partition('/')[2]}"
            content = hub.files.get(self.path)
            if content is None and rest.startswith(hub.commit):
                content = hub.files.get(newest)
            if content is None:
                known = any(name.startswith(f"{repository}/") for name in hub.files)
                return self._refuse(404, "EntryNotFound" if known else "RepoNotFound")
            span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            begin = int(span[1]) if span else 0
            self.send_response(206 if span else 200)
            sha256 = hub.hashes.get(self.path) or hashlib.sha256(content).hexdigest()
            revision = rest.partition("/")[0]
            commit = hub.commit if revision == "main" else revision
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{sha256}"')
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Content-Length", str(len(content) - begin))
            if span:
                self.send_header(
                    "Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            if with_body:
                hub.requests.append((self.path, begin))
                end, hub.stop_after = hub.stop_after, None
                self.wfile.write(content[begin:] if end is None else content[begin : begin + end])
                self.close_connection = end is not None

        def _refuse(self, status: int, code: str = "") -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
