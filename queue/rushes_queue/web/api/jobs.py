"""``jobs``, ``status``, ``logs`` and ``watch``: how jobs stand."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from rushes.errors import ConfigError, RushesError
from rushes_queue.client.json_forms import to_json
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import State
from rushes_queue.web.api.answers import Answer, errors_json, status_of
from rushes_queue.web.api.services import Services, WithServices

router = APIRouter(tags=["jobs"])

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
def logs(
    services: WithServices, job: str, last: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """Tell what happened to a job, as JSON Lines."""
    lines = [
        json.dumps({"schema_version": SCHEMA_VERSION} | to_json(line))
        for line in services.backend.logs(job, last=last)
    ]
    text = services.hidden.cut("".join(f"{line}\n" for line in lines))
    return Response(text, media_type="application/x-ndjson")


@router.get("/watch")
async def watch(
    services: WithServices,
    job: Annotated[list[str], Query(max_length=1000)] = [],  # noqa: B006
) -> StreamingResponse:
    """Send a server-sent event for each change of these jobs, or of all; older news are dropped."""
    found = [await asyncio.to_thread(services.backend.status, each) for each in job]
    return StreamingResponse(
        _events(services, [status.record.id for status in found]),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _events(services: Services, jobs: list[str]) -> AsyncIterator[str]:
    yield "retry: 2000\n: connected\n\n"
    async for news in services.feed.listen(jobs):
        yield "".join(f"data: {services.hidden.cut(text)}\n\n" for text in news) or ": here\n\n"


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
