"""The server: addresses of the API, pages, and the guard in front of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import rushes
from rushes.errors import RushesError
from rushes_queue.web.api import changes, comparisons, farm, files, jobs, timelines
from rushes_queue.web.api.answers import (
    answer_http_error,
    answer_rushes_error,
    answer_wrong_request,
    refusal,
)
from rushes_queue.web.api.services import Services
from rushes_queue.web.safety.access import Access
from rushes_queue.web.safety.guard import LOGIN, Guard
from rushes_queue.web.safety.hosts import Hosts
from rushes_queue.web.safety.proxies import TrustedProxies

_KEPT_SECONDS = 300
STATIC = Path(__file__).parent / "static"
_PAGES = {
    "/": "board.html",
    "/job/{job}": "job.html",
    "/edit": "edit.html",
    "/edit/{job}": "edit.html",
    "/compare": "compare.html",
    LOGIN: "login.html",
}


@dataclass(frozen=True)
class Gate:
    """Who may use a server, and under which names."""

    access: Access
    host: str = "127.0.0.1"
    names: Sequence[str] = ()
    proxies: TrustedProxies | None = None


def make_app(services: Services, gate: Gate) -> ASGIApp:
    """Return the whole server."""
    app = FastAPI(
        title="Rushes",
        version=rushes.__version__,
        docs_url=None,  # its page takes scripts from elsewhere
        redoc_url=None,
        openapi_url=f"{files.PREFIX}/openapi.json",
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    for each in (timelines, jobs, changes, files, comparisons, farm):
        app.include_router(each.router, prefix=files.PREFIX)
    app.add_exception_handler(RushesError, answer_rushes_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_wrong_request)
    for address, page in _PAGES.items():
        _add_page(app, address, page)
    app.mount("/static", _CodeOfPages(directory=STATIC), name="static")
    return Guard(
        app,
        access=gate.access,
        hosts=Hosts(gate.host, gate.names),
        proxies=gate.proxies,
        refuse=refusal,
        uploads=f"{files.PREFIX}/uploads",
        most_upload=services.most_upload,
    )


class _CodeOfPages(StaticFiles):
    """Files that browsers keep for a short time, so that the next page is there at once."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        answer = super().file_response(*arguments, **more)
        answer.headers["cache-control"] = f"private, max-age={_KEPT_SECONDS}"
        return answer


def _add_page(app: FastAPI, address: str, page: str) -> None:
    def send() -> FileResponse:
        return FileResponse(STATIC / page)

    app.add_api_route(address, send, include_in_schema=False, response_class=FileResponse)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.services.close()
