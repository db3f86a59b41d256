"""A web server that takes notifications."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """A web server that keeps what it is sent, and answers as configured."""

    def __init__(self) -> None:
        self.statuses: list[int] = []  # of the next answers; then 204
        self.delay_seconds = 0.0
        self.location = ""
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.append((self.path, dict(self.headers), json.loads(body)))
                time.sleep(hook.delay_seconds)
                self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
