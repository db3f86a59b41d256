"""``jobs``, ``status``, ``logs`` and ``watch``: how jobs stand."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from rushes.errors import ConfigError, RushesError
from rushes_queue.client.answers import JobLine
from rushes_queue.client.json_forms import to_json
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import State
from rushes_queue.web.api.answers import Answer, errors_json, status_of
from rushes_queue.web.api.services import Services, WithServices
from rushes_queue.web.state.log_follower import LogFollower

router = APIRouter(tags=["jobs"])

_BEGIN = "retry: 2000\n: connected\n\n"
_SIGN_OF_LIFE = ": here\n\n"
Jobs = Annotated[list[str], Query(min_length=1, max_length=1000)]
_DURATION = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@router.get("/jobs")
def jobs(
    services: WithServices,
    state: Annotated[list[State], Query()] = [],  # noqa: B006
    tag: Annotated[list[str], Query()] = [],  # noqa: B006
    name: str | None = None,
    since: str | None = None,
    limit: Annotated[int | None, Query(ge=1)] = None,
) -> Answer:
    """List jobs, the newest first."""
    since_ms = None if since is None else _since_ms(since)
    found = services.backend.jobs(states=state, tags=tag, name=name, since_ms=since_ms)
    answer = {
        "schema_version": SCHEMA_VERSION,
        "num_jobs": len(found),
        "jobs": [to_json(record) for record in found[:limit]],
    }
    return Answer(services, answer)


@router.get("/status")
def status(services: WithServices, job: Jobs) -> Answer:
    """Tell all that is known about jobs."""
    found, faults = [], []
    for each in job:
        try:
            found.append(to_json(services.backend.status(each)))
        except RushesError as error:
            faults.append(error)
    answer = {"schema_version": SCHEMA_VERSION, "jobs": found, "errors": errors_json(faults)}
    return Answer(services, answer, 200 if found else status_of(faults[0].exit_code))


@router.get("/logs")
async def logs(
    services: WithServices,
    request: Request,
    job: str,
    last: Annotated[int | None, Query(ge=0)] = None,
    follow: bool = False,
) -> Response:
    """Tell what happened to a job, as JSON Lines; ``follow`` sends events until it has ended.

    ``Last-Event-ID`` names the last event that a browser got before its line broke.
    """
    found = (await asyncio.to_thread(services.backend.status, job)).record.id
    had = request.headers.get("last-event-id", "0") if follow else "0"
    follower = LogFollower(services.backend, found, had)
    lines = await asyncio.to_thread(follower.look, last)
    if not follow:
        text = "".join(f"{_line_text(services, line)}\n" for line in lines)
        return Response(text, media_type="application/x-ndjson")
    if follower.is_over and not lines and had != "0":
        return Response(status_code=204)  # after which browsers do not ask again
    services.streams.check_room()
    return _stream(_log_events(services, follower, lines))


async def _log_events(
    services: Services, follower: LogFollower, lines: list[JobLine]
) -> AsyncIterator[str]:
    with services.streams.opened():
        yield _BEGIN
        yield _line_events(services, lines)
        async for news in follower.follow():
            yield _line_events(services, news) or _SIGN_OF_LIFE


def _line_events(services: Services, lines: Iterable[JobLine]) -> str:
    return "".join(f"id: {line.event.id}\ndata: {_line_text(services, line)}\n\n" for line in lines)


def _line_text(services: Services, line: JobLine) -> str:
    return services.hidden.cut(json.dumps({"schema_version": SCHEMA_VERSION} | to_json(line)))


@router.get("/watch")
async def watch(
    services: WithServices,
    job: Annotated[list[str], Query(max_length=1000)] = [],  # noqa: B006
) -> StreamingResponse:
    """Send a server-sent event for each change of these jobs, or of all; older news are dropped."""
    found = [await asyncio.to_thread(services.backend.status, each) for each in job]
    services.streams.check_room()
    return _stream(_events(services, [status.record.id for status in found]))


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    headers = {"x-accel-buffering": "no"}  # proxies are to pass each event on at once
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(services: Services, jobs: list[str]) -> AsyncIterator[str]:
    with services.streams.opened():
        yield _BEGIN
        async for news in services.feed.listen(jobs):
            texts = (f"data: {services.hidden.cut(text)}\n\n" for text in news)
            yield "".join(texts) or _SIGN_OF_LIFE


def _since_ms(text: str) -> int:
    """Read a duration before now, or a date.

    Units: milliseconds since 1970.
    Raises: ConfigError.
    """
    if match := _DURATION.fullmatch(text.strip()):
        return int((time.time() - float(match[1]) * _SECONDS[match[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"since: {text[:40]!r} is neither a duration (2h, 3d) nor a date (2026-01-31T12:00)"
        ) from error
