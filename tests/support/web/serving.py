"""A web server in a thread of the test, and clients that ask it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2

from rushes.files.folders import Folders
from rushes_queue.web.api.services import Services
from rushes_queue.web.serve import WebServer
from rushes_queue.web.state.backend import Backend

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Serving:
    """A server that runs, and a client that knows its token."""

    server: WebServer
    services: Services
    client: httpx2.Client

    @property
    def api(self) -> str:
        return f"{self.server.origin}/api/v1"

    def stranger(self, **headers: str) -> httpx2.Client:
        """Return a client that knows no token."""
        return httpx2.Client(base_url=self.server.origin, headers=headers, timeout=PATIENCE_SECONDS)

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self.client.get(f"/api/v1/{path}", params=query)

    def post(self, path: str, body: Any) -> httpx2.Response:
        return self.client.post(f"/api/v1/{path}", json=body)

    def json(self, path: str, **query: Any) -> Any:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(self, file: Path, name: str | None = None) -> str:
        """Send a file; return its hash."""
        query = {"name": name or file.name}
        answer = self.client.put("/api/v1/uploads", params=query, content=file.read_bytes())
        assert answer.status_code == 200, answer.text
        return str(answer.json()["sha256"])

    def sent(self, timeline: Path, *files: Path) -> dict[str, Any]:
        """Upload a timeline and the files that it names; return how a request names them."""
        named = {file.name: self.upload(file) for file in files}
        return {"upload": self.upload(timeline), "name": timeline.name, "files": named}

    def events(self, number: int, **query: Any) -> list[dict[str, Any]]:
        """Read so many events of ``watch``."""
        found: list[dict[str, Any]] = []
        with self.client.stream("GET", "/api/v1/watch", params=query) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    found.append(json.loads(line.removeprefix("data: ")))
                if len(found) >= number:
                    break
        return found


@contextmanager
def serving(
    backend: Backend,
    folder: Path,
    *,
    mode: Literal["farm", "alone"] = "farm",
    folders: Folders | None = None,
    most_upload: int = 2**20,
    names: Sequence[str] = (),
    password_file: Path | None = None,
    user_header: str | None = None,
    proxies: Sequence[str] = (),
) -> Iterator[Serving]:
    """Serve a backend; uploads and results lie below a folder."""
    folders = folders or Folders(folder / "models", folder / "cache", ())
    services = Services.open(
        backend,
        mode=mode,
        folders=folders,
        hidden=[folder],
        most_upload=most_upload,
    )
    server = WebServer(
        *(services, "127.0.0.1", 0),
        names=names,
        password_file=password_file,
        user_header=user_header,
        proxies=proxies,
    )
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    bearer = {"authorization": f"Bearer {server.access.secret}"}
    try:
        with httpx2.Client(
            base_url=server.origin, headers=bearer, timeout=PATIENCE_SECONDS
        ) as client:
            yield Serving(server, services, client)
    finally:
        server.stop()
        thread.join(PATIENCE_SECONDS)
