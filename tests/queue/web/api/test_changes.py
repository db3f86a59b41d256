"""Jobs changed over HTTP, with the answers of the command line."""

from __future__ import annotations

from typing import Any

import pytest

from farm.commands import Farm
from rushes_queue.jobs.states import State
from web.serving import Serving

VERBS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("pause", {}, ()),
    ("resume", {}, ()),
    ("priority", {"level": "high"}, ("high",)),
    ("cancel", {}, ()),
    ("retry", {"from_start": True}, ("--from-start",)),
]


def test_every_verb_answers_as_the_command_does(farm: Farm, web: Serving) -> None:
    here, there = farm.submit(take=1), farm.submit(take=2)
    for verb, body, flags in VERBS:
        answer = web.post(verb, {"jobs": [here]} | body).json()
        printed = farm.json(verb, there, *flags)
        for job in answer["jobs"]:
            job["id"] = there
        assert answer == printed, verb
        assert answer["jobs"][0]["changed"], verb


def test_a_choice_takes_those_to_which_it_can_happen(farm: Farm, web: Serving) -> None:
    farm.done(take=1)
    first, second = farm.submit(take=2, tags=("x",)), farm.submit(take=3)
    assert [job["id"] for job in web.post("pause", {"tag": ["x"]}).json()["jobs"]] == [first]
    answer = web.post("cancel", {"all": True}).json()
    assert {job["id"] for job in answer["jobs"]} == {first, second}
    assert web.post("cancel", {"state": ["queued"]}).json()["jobs"] == []


def test_what_is_refused_does_not_stop_the_others(farm: Farm, web: Serving) -> None:
    done, queued = farm.done(take=1), farm.submit(take=2)
    answer = web.post("cancel", {"jobs": [done, "0" * 16, queued]})
    assert answer.status_code == 200
    assert [error["exit_code"] for error in answer.json()["errors"]] == [6, 4]
    assert farm.store.get(queued).state is State.CANCELLED
    assert web.post("cancel", {"jobs": [done]}).status_code == 409


@pytest.mark.parametrize(
    "body",
    [{}, {"jobs": []}, {"jobs": ["a"], "all": True}, {"everything": 1}, {"state": ["x"]}, []],
    ids=str,
)
def test_a_choice_must_be_clear(farm: Farm, web: Serving, body: Any) -> None:
    job = farm.submit()
    assert web.post("cancel", body).status_code in (400, 422)
    assert farm.store.get(job).state is State.QUEUED
