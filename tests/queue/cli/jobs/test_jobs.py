"""``rushes jobs`` and ``rushes status``: filters, prefixes, JSON, and nothing that harms."""

from __future__ import annotations

import json
import re

import pytest
from typer import BadParameter

from farm.commands import Farm
from rushes_queue.cli.jobs import jobs
from rushes_queue.cli.jobs.jobs import parse_duration, parse_since
from rushes_queue.cli.show import table
from rushes_queue.jobs.record import FailureKind

EVIL = "cat \x1b[31m\u202e\u2066 red"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_an_empty_farm_lists_nothing(farm: Farm) -> None:
    result = farm.run("jobs")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert farm.json("jobs") == {"schema_version": 1, "num_jobs": 0, "jobs": []}


def test_jobs_are_listed_with_the_newest_first(farm: Farm) -> None:
    made = [farm.submit(take) for take in range(3)]
    lines = farm.run("jobs").stdout.splitlines()
    assert lines[0].split() == [
        *("job", "name", "state", "progress", "priority", "age", "worker", "tags")
    ]
    assert sorted(line.split()[0] for line in lines[1:]) == sorted(made)
    assert farm.json("jobs")["num_jobs"] == 3


@pytest.mark.parametrize(
    ("options", "takes"),
    [
        (["--state", "queued"], {1, 2}),
        (["--state", "queued", "--state", "done"], {0, 1, 2}),
        (["--tag", "a"], {1}),
        (["--tag", "a", "--tag", "b"], {1, 2}),
        (["--tag", "a", "--state", "done"], set()),
        (["--name", "c?t"], {0, 1}),
        (["--name", "dog*"], {2}),
        (["--since", "1h"], {0, 1, 2}),
        (["--since", "2999-01-01"], set()),
        (["--all"], {0, 1, 2}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_jobs_can_be_chosen(farm: Farm, options: list[str], takes: set[int]) -> None:
    farm.done(0)
    farm.submit(1, tags=("a", "c"))
    farm.submit(2, tags=("b",), name="dog")
    assert {job["take"] for job in farm.json("jobs", *options)["jobs"]} == takes


def test_a_limit_says_what_it_leaves_out(farm: Farm) -> None:
    for take in range(3):
        farm.submit(take)
    result = farm.run("jobs", "--limit", 1)
    assert len(result.stdout.splitlines()) == 2
    assert "and 2 more" in result.stderr
    data = farm.json("jobs", "--limit", 1)
    assert (data["num_jobs"], len(data["jobs"])) == (3, 1)


def test_the_json_of_a_job_has_all_fields(farm: Farm) -> None:
    job = farm.submit(tags=("a",))
    farm.progress(farm.claim(), chunk=3)
    found = farm.json("status", job)["jobs"][0]
    assert found["id"] == job
    assert found["state"] == "running"
    assert (found["chunk"], found["frame"], found["fps"]) == (3, 13, 8.0)
    assert found["seconds_left"] == pytest.approx((found["num_frames"] - 13) / 8, abs=0.1)
    assert found["worker"] == "w@host"
    assert found["created_at"].endswith("+00:00")
    assert found["error"] is None
    assert found["attempt_list"][0]["number"] == 1
    assert found["attempt_list"][0]["ended_at"] is None


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_list_fits_the_terminal(
    farm: Farm, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = farm.submit(tags=("night", "second-unit"), name="a-cat-walks-into-the-distance")
    farm.progress(farm.claim(), chunk=3)
    monkeypatch.setattr(table, "terminal_width", lambda: width)
    monkeypatch.setattr(jobs, "terminal_width", lambda: width)
    lines = farm.run("jobs").stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[1].startswith(job if width == 140 else f"{job[:8]}  ")
    for expected in (" running ", "3/", " fps, ", " left"):
        assert expected in lines[1]


def test_status_takes_several_short_ids(farm: Farm) -> None:
    jobs = [farm.submit(take) for take in range(2)]
    result = farm.run("status", *[job[:6] for job in jobs])
    assert result.exit_code == 0
    assert [
        line.split()[1] for line in result.stdout.splitlines() if line.startswith("job ")
    ] == jobs


@pytest.mark.parametrize(
    ("text", "code"),
    [("0000", 4), ("xyz!", 4), ("ab", 2), ("", 4), ("\x1b[31m", 4)],
    ids=["unknown", "no id", "too short", "empty", "control characters"],
)
def test_an_id_that_is_none_is_refused(farm: Farm, text: str, code: int) -> None:
    farm.submit()
    result = farm.run("status", text)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert not CONTROL.search(result.output)


def test_an_ambiguous_start_names_the_jobs(farm: Farm) -> None:
    client, prefix = farm.store.client, farm.store.prefix
    client.zadd(f"{prefix}ids", {"abcd000000000001": 0, "abcd000000000002": 0})
    result = farm.run("status", "abcd")
    assert result.exit_code == 2
    assert "abcd000000000001, abcd000000000002" in result.stderr


def test_some_known_and_some_unknown_ids_are_a_partial_success(farm: Farm) -> None:
    job = farm.submit()
    assert farm.run("status", job, "0000").exit_code == 10
    data = farm.json("status", job, "0000")
    assert [found["id"] for found in data["jobs"]] == [job]
    assert data["errors"][0]["exit_code"] == 4


@pytest.mark.parametrize("arguments", [[], ["0000", "--all"]], ids=["none", "both"])
def test_jobs_are_named_in_exactly_one_way(farm: Farm, arguments: list[str]) -> None:
    assert farm.run("status", *arguments).exit_code == 2


def test_a_failure_is_told_with_its_reason(farm: Farm) -> None:
    job = farm.submit()
    record = farm.claim()
    farm.store.ends.fail(job, record.fence, FailureKind.INPUT, "the input ends at frame 12")
    result = farm.run("status", job)
    assert "input: the input ends at frame 12" in result.stdout
    assert farm.json("status", job)["jobs"][0]["error"]["kind"] == "input"


def test_what_a_job_waits_for_is_told(farm: Farm) -> None:
    first = farm.submit()
    second = farm.submit(1, after=(first,))
    assert f"queued, after {first[:8]}" in farm.run("status", second).stdout


def test_nothing_that_a_terminal_obeys_gets_through(farm: Farm) -> None:
    job = farm.submit(name="cat")
    record = farm.claim(worker=EVIL)
    farm.progress(record, 2, prompt=EVIL)
    farm.store.client.hset(f"{farm.store.prefix}job:{job}", "name", EVIL)
    farm.store.client.hset(f"{farm.store.prefix}job:{job}", "tags", json.dumps([EVIL]))
    for command in (["jobs"], ["status", job], ["watch", job, "--timeout", 0]):
        result = farm.run(*command)
        assert result.exit_code in (0, 8)
        assert "red" in result.output
        assert not CONTROL.search(result.output.replace("\n", "")), command
    assert farm.json("status", job)["jobs"][0]["worker"] == EVIL


def test_a_broker_that_is_away_is_one_line_and_its_exit_code(farm: Farm) -> None:
    result = farm.run("jobs", "--broker", "redis://127.0.0.1:1/0")
    assert result.exit_code == 5
    assert len(result.stderr.splitlines()) == 1


def test_a_broker_that_is_none_names_the_flag(farm: Farm) -> None:
    result = farm.run("jobs", "--broker", "http://x")
    assert result.exit_code == 3
    assert "--broker:" in result.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5h", 5400), ("2 d", 172_800), ("1w", 604_800)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1y", "9" * 400 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_duration(text)


def test_since_is_a_duration_or_a_date() -> None:
    assert parse_since("1h", 10_000_000) == 6_400_000
    assert parse_since("1970-01-01T00:00:01+00:00", 0) == 1000
    with pytest.raises(BadParameter):
        parse_since("yesterday", 0)
