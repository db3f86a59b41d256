"""``compare`` and ``eval``: results beside each other and against their input, in figures."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query

from rushes_queue.web.api.answers import Answer
from rushes_queue.web.api.files import PREFIX, address_of
from rushes_queue.web.api.services import Services, WithServices

router = APIRouter(tags=["files"])


@router.get("/compare")
async def compare(
    services: WithServices,
    job: Annotated[list[str], Query(min_length=2, max_length=4)],
    with_input: bool = False,
) -> Answer:
    """Compare the results of two to four jobs; ``with_input`` measures each against its input."""
    make = partial(_compared, services, job, with_input=with_input)
    return await to_thread.run_sync(make, limiter=services.measuring)


def _compared(services: Services, job: list[str], *, with_input: bool) -> Answer:
    found = [services.backend.status(each).record.id for each in job]
    compared = services.measures.compared(found, with_input=with_input)
    videos = [services.results.fetch(each).output for each in found]
    addresses = {
        str(video): f"{PREFIX}/fetch/{address_of(each, video)}"
        for each, video in zip(found, videos, strict=True)
    }
    named = {
        name: [addresses[path] for path in compared[name]]
        for name in ("videos", "without_manifest")
    }
    return Answer(services, compared | named)


@router.get("/eval/{job}")
async def evaluate(services: WithServices, job: str) -> Answer:
    """Measure a result against its input: means, and the value of every frame."""

    def measured() -> Answer:
        found = services.backend.status(job).record.id
        return Answer(services, services.measures.of(found))

    return await to_thread.run_sync(measured, limiter=services.measuring)
