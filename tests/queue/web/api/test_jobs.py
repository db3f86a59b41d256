"""How jobs stand, over HTTP as on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from farm.commands import Farm
from web.serving import Serving


def test_jobs_are_listed_with_the_filters_of_the_command(farm: Farm, web: Serving) -> None:
    done = farm.done(take=1, tags=("cat",))
    farm.submit(take=2, tags=("dog",))
    assert web.json("jobs") == farm.json("jobs")
    assert web.json("jobs", limit=1) == farm.json("jobs", "--limit", 1)
    for query, flags in (
        ({"state": "done"}, ("--state", "done")),
        ({"state": ["done", "queued"]}, ("--state", "done", "--state", "queued")),
        ({"tag": "dog"}, ("--tag", "dog")),
        ({"name": "nothing*"}, ("--name", "nothing*")),
        ({"since": "2h"}, ("--since", "2h")),
        ({"since": "2100-01-01"}, ("--since", "2100-01-01")),
    ):
        assert web.json("jobs", **query) == farm.json("jobs", *flags), query
    assert [job["id"] for job in web.json("jobs", tag="cat")["jobs"]] == [done]


def test_status_has_the_attempts_and_the_faults(farm: Farm, web: Serving) -> None:
    job = farm.done()
    assert web.json("status", job=job) == farm.json("status", job)
    assert web.json("status", job=job[:8])["jobs"][0]["id"] == job
    both = web.json("status", job=[job, "0" * 16])
    printed = json.loads(farm.run("status", job, "0" * 16, "--json").stdout)
    assert both == printed
    assert web.get("status", job="0" * 16).status_code == 404
    assert web.get("status").status_code == 400


def test_logs_are_the_lines_of_the_command(farm: Farm, web: Serving) -> None:
    job = farm.done()
    assert web.get("logs", job=job).text == farm.run("logs", job, "--json").stdout
    last = web.get("logs", job=job, last=1).text
    assert last == farm.run("logs", job, "--last", 1, "--json").stdout
    assert web.get("logs", job="0" * 16).status_code == 404


def followed(web: Serving, **headers: str) -> Iterator[tuple[str, Any]]:
    """Yield the ids and lines of a log that is followed."""
    place = ""
    query = {"job": headers.pop("job"), "follow": True} | json.loads(headers.pop("query", "{}"))
    with web.client.stream("GET", "/api/v1/logs", params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, text = line.partition(": ")
            if name == "id":
                place = text
            if name == "data":
                yield place, json.loads(text)


def test_a_log_is_followed_until_the_job_has_ended(farm: Farm, web: Serving) -> None:
    job = farm.submit()
    farm.store.events.add(job, "log", {"level": "info", "message": "it begins"})
    lines = followed(web, job=job)
    found = [next(lines)]
    farm.store.events.add(job, "log", {"level": "info", "message": "half of it"})
    found.append(next(lines))
    farm.run("cancel", job)
    found += lines  # the answer ends with the job
    printed = farm.run("logs", job, "--follow", "--json").stdout.splitlines()
    assert [line for _, line in found] == list(map(json.loads, printed))


def test_a_log_goes_on_where_the_line_broke(farm: Farm, web: Serving) -> None:
    job = farm.done()
    places = [place for place, _ in followed(web, job=job)]
    rest = [place for place, _ in followed(web, job=job, **{"last-event-id": places[0]})]
    assert rest == places[1:]
    last = [place for place, _ in followed(web, job=job, query='{"last": 1}')]
    assert last == places[-1:]
    had_all = {"last-event-id": places[-1]}
    address = f"/api/v1/logs?job={job}&follow=true"
    assert web.client.get(address, headers=had_all).status_code == 204
    odd = web.client.get(address, headers={"last-event-id": "../x"})
    assert "is not a place in the events" in odd.json()["errors"][0]["message"]


def test_there_is_no_more_room_for_streams_than_for_everything_else(
    farm: Farm, web: Serving
) -> None:
    job = farm.submit()
    web.services.streams.num_open += 256
    for address in (f"logs?follow=1&job={job}", "watch", f"watch?job={job}"):
        answer = web.client.get(f"/api/v1/{address}")
        assert answer.status_code == 503
        assert "close some pages" in answer.json()["errors"][0]["message"]
    web.services.streams.num_open -= 256
    assert web.events(1, job=job)


def test_watch_sends_what_the_command_prints(farm: Farm, web: Serving) -> None:
    job = farm.done()
    printed = farm.run("watch", job, "--json").stdout.splitlines()
    assert web.events(1, job=job) == [json.loads(printed[0])]
    assert web.get("watch", job="0" * 16).status_code == 404


@pytest.mark.parametrize("since", ["soon", "1x", "99999999999w", ""])
def test_a_time_that_is_none_is_refused(web: Serving, since: str) -> None:
    assert web.get("jobs", since=since).status_code in (400, 422)


def test_a_state_that_is_none_is_refused(web: Serving) -> None:
    answer = web.get("jobs", state="broken")
    assert answer.status_code == 400
    assert "state" in answer.json()["errors"][0]["message"]
