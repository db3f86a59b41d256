"""``fetch`` and ``preview``, uploads, and what a job was made from."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from rushes_queue.broker.preview import NoFrameError
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import State
from rushes_queue.web.api.answers import Answer
from rushes_queue.web.api.services import WithServices

router = APIRouter(tags=["files"])

PREFIX = "/api/v1"
_FOREVER = {"cache-control": "private, max-age=86400"}
# Types that a browser shows and that run nothing; all others are downloads.
_SHOWN = ("video/", "audio/", "image/png", "image/jpeg", "image/gif", "application/json")
_KNOWN = {".mkv": "video/x-matroska", ".webm": "video/webm", ".json": "application/json"}


@router.get("/fetch/{job}")
def fetch(services: WithServices, job: str) -> Answer:
    """Name the files of a job that is done, with the addresses from which they come."""
    found = services.backend.status(job).record.id
    fetched = services.results.fetch(found)
    base = f"{PREFIX}/fetch"
    answer = {
        "id": found,
        "output": f"{base}/{address_of(found, fetched.output)}",
        "files": [f"{base}/{address_of(found, path)}" for path in fetched.files],
        "fetched": fetched.is_new,
    }
    return Answer(services, {"schema_version": SCHEMA_VERSION, "jobs": [answer], "errors": []})


@router.get("/fetch/{job}/{name:path}")
def fetch_file(services: WithServices, job: str, name: str) -> Response:
    """Send one file of a result; ranges of it are answered as such."""
    found = services.backend.status(job).record.id
    return _send(services.results.file(found, name))


@router.get("/input/{job}")
def input_file(services: WithServices, job: str) -> Response:
    """Send the input video of a job; ranges of it are answered as such."""
    found = services.backend.status(job).record.id
    return _send(services.results.input_file(found))


@router.get("/document/{job}")
def document(services: WithServices, job: str) -> Answer:
    """Tell what a job makes: its plan and its request, with the names and hashes of its files.

    Who is told of its end is left out: such addresses may hold secrets.
    """
    made = services.backend.document(services.backend.status(job).record.id)
    return Answer(services, made.model_dump(mode="json", exclude={"notify"}))


@router.get("/timeline/{job}")
def timeline(services: WithServices, job: str) -> Response:
    """Send the timeline file of a job, as it was submitted."""
    made = services.backend.document(services.backend.status(job).record.id)
    file = services.backend.stored_file(made.timeline, services.requests_folder / "timelines")
    return Response(file.read_bytes(), media_type="application/json")


@router.get("/preview/{job}", response_class=Response)
async def preview(
    services: WithServices,
    request: Request,
    job: str,
    timeout: Annotated[float, Query(ge=0, le=60)] = 5.0,
) -> Response:
    """Send the last frame of a running job as JPEG; 304 while there is no other."""
    frame = await to_thread.run_sync(services.frames.get, job, timeout, limiter=services.viewing)
    headers = {"etag": f'"{frame.tag}"', "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(frame.jpeg, media_type="image/jpeg", headers=headers)


@router.get("/thumbnail/{job}", response_class=Response)
async def thumbnail(services: WithServices, job: str) -> Response:
    """Send a small picture of a job: the last frame of its result, or of what runs."""
    record = (await to_thread.run_sync(services.backend.status, job)).record
    kept = _FOREVER if record.state is State.DONE else {"cache-control": "no-store"}
    try:
        made = services.thumbnails.get
        picture = await to_thread.run_sync(made, record, limiter=services.viewing)
    except NoFrameError:
        return Response(status_code=204)  # none yet; that is not an error
    return Response(picture, media_type="image/jpeg", headers=kept)


@router.put("/uploads")
async def upload(
    services: WithServices, request: Request, name: Annotated[str, Query(max_length=255)]
) -> Answer:
    """Take a file; its body is the request's. The answer has the hash by which it is named."""
    try:
        taken = await services.uploads.take(name, _parts(request))
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload was broken off") from error
    answer = {"sha256": taken.sha256, "size": taken.size, "name": taken.name}
    return Answer(services, {"schema_version": SCHEMA_VERSION} | answer)


async def _parts(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        if part:
            yield part


def address_of(job: str, file: Path) -> str:
    """Return the end of the address of a file of a result, from the job's id on."""
    folder = next(path for path in file.parents if path.name == job)
    return f"{job}/{quote(file.relative_to(folder).as_posix())}"


class _FileAnswer(FileResponse):
    """A file that is no longer read once nobody is there to take it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:

            async def wait_for_end() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(wait_for_end)
            await super().__call__(scope, receive, send)
            tasks.cancel_scope.cancel()


def _send(file: Path) -> Response:
    guessed = _KNOWN.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0]
    kind = guessed or "application/octet-stream"
    is_shown = kind.startswith(_SHOWN)
    return _FileAnswer(
        file,
        media_type=kind if is_shown else "application/octet-stream",
        filename=file.name,
        content_disposition_type="inline" if is_shown else "attachment",
        headers=_FOREVER,
    )
