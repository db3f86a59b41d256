"""``compare`` and ``eval``: results beside each other and against their input, in figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from rushes_queue.web.api.answers import Answer
from rushes_queue.web.api.files import PREFIX, address_of
from rushes_queue.web.api.services import WithServices

router = APIRouter(tags=["files"])


@router.get("/compare")
def compare(
    services: WithServices,
    job: Annotated[list[str], Query(min_length=2, max_length=4)],
    with_input: bool = False,
) -> Answer:
    """Compare the results of two to four jobs; ``with_input`` measures each against its input."""
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
def evaluate(services: WithServices, job: str) -> Answer:
    """Measure a result against its input: means, and the value of every frame."""
    found = services.backend.status(job).record.id
    return Answer(services, services.measures.of(found))
