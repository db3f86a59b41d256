"""How jobs stand, over HTTP as on the command line."""

from __future__ import annotations

import json

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
