"""``cancel``, ``pause``, ``resume``, ``retry`` and ``priority``: jobs take another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from rushes.errors import ConfigError, RushesError
from rushes_queue.broker.replies import Change
from rushes_queue.client.json_forms import to_json
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.queue_names import Priority
from rushes_queue.jobs.states import Event, State, is_allowed
from rushes_queue.web.api.answers import Answer, errors_json, status_of
from rushes_queue.web.api.services import Services, WithServices

router = APIRouter(tags=["changes"])


class Choice(BaseModel):
    """Which jobs: their ids or first characters, or all in a state or with a tag."""

    model_config = ConfigDict(extra="forbid")

    jobs: Annotated[list[str], Field(max_length=10_000)] = []
    state: list[State] = []
    tag: list[str] = []
    all: bool = False

    def find(self, services: Services, event: Event) -> list[str]:
        """Return the jobs; of a choice those to which this can happen.

        Raises: ConfigError when jobs are named in both ways or in none.
        """
        if bool(self.jobs) == bool(self.state or self.tag or self.all):
            raise ConfigError("jobs: name jobs, or choose them by state, tag or all; not both")
        if self.jobs:
            return self.jobs
        found = services.backend.jobs(states=self.state, tags=self.tag)
        return [record.id for record in found if is_allowed(event, record.state)]


class RetryChoice(Choice):
    """The same, and whether save points are forgotten."""

    from_start: bool = False


class PriorityChoice(Choice):
    """The same, and how urgent they are to be."""

    level: Priority


@router.post("/cancel")
def cancel(services: WithServices, choice: Choice) -> Answer:
    """End jobs; one that runs stops at its next chunk."""
    return _change(services, choice, Event.CANCEL, services.backend.cancel)


@router.post("/pause")
def pause(services: WithServices, choice: Choice) -> Answer:
    """Pause jobs; one that runs is saved at its next chunk."""
    return _change(services, choice, Event.PAUSE, services.backend.pause)


@router.post("/resume")
def resume(services: WithServices, choice: Choice) -> Answer:
    """Queue paused jobs again, or withdraw a request to pause."""
    return _change(services, choice, Event.RESUME, services.backend.resume)


@router.post("/retry")
def retry(services: WithServices, choice: RetryChoice) -> Answer:
    """Queue failed, cancelled or quarantined jobs again, from save points that are left."""

    def act(job: str) -> Change:
        return services.backend.retry(job, from_start=choice.from_start)

    return _change(services, choice, Event.RETRY, act)


@router.post("/priority")
def priority(services: WithServices, choice: PriorityChoice) -> Answer:
    """Make jobs more or less urgent; one that runs keeps its worker."""

    def act(job: str) -> Change:
        return services.backend.set_priority(job, choice.level)

    return _change(services, choice, Event.SET_PRIORITY, act)


def _change(
    services: Services, choice: Choice, event: Event, act: Callable[[str], Change]
) -> Answer:
    """Do one thing to each job; one that is refused does not stop the others."""
    results: list[dict[str, Any]] = []
    faults: list[RushesError] = []
    for job in dict.fromkeys(choice.find(services, event)):
        try:
            results.append(to_json(act(job)))
        except RushesError as error:
            faults.append(error)
    services.feed.look_now()
    status = 200 if results or not faults else status_of(faults[0].exit_code)
    answer = {"schema_version": SCHEMA_VERSION, "jobs": results, "errors": errors_json(faults)}
    return Answer(services, answer, status)
