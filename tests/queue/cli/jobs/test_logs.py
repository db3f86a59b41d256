"""``rushes logs``: what happened, and what comes."""

from __future__ import annotations

import json
import re
import threading
import time

from farm.commands import Farm


def test_the_life_of_a_job_is_told_in_order(farm: Farm) -> None:
    job = farm.submit()
    record = farm.claim()
    farm.store.events.add(job, "log", {"level": "info", "message": "loading tiny"})
    farm.publish(record)
    result = farm.run("logs", job[:6])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  ", line) for line in lines)
    assert [line.split("  ", 1)[1].split()[0] for line in lines] == ["running", "info", "done"]
    assert "w@host" in lines[0]
    assert "loading tiny" in lines[1]


def test_the_last_lines_are_enough(farm: Farm) -> None:
    job = farm.submit()
    for number in range(5):
        farm.store.events.add(job, "log", {"message": f"line {number}"})
    assert len(farm.run("logs", job, "-n", 2).stdout.splitlines()) == 2
    assert farm.run("logs", job, "-n", 0).stdout == ""
    assert len(farm.run("logs", job, "-n", 99).stdout.splitlines()) == 5


def test_json_lines_keep_all_fields(farm: Farm) -> None:
    job = farm.submit()
    farm.store.events.add(job, "log", {"message": "x\x1b[31m"})
    data = json.loads(farm.run("logs", job, "--json").stdout)
    assert data["schema_version"] == 1
    assert (data["job"], data["kind"]) == (job, "log")
    assert data["fields"] == {"message": "x\x1b[31m"}
    assert data["time"].endswith("+00:00")


def test_nothing_that_a_terminal_obeys_gets_through(farm: Farm) -> None:
    job = farm.submit()
    farm.store.events.add(job, "log", {"message": "a\x1b[2Jb\nc\u202ed"})
    farm.store.events.add(job, "odd\x1b", {"a\x1b": "b\r"})
    output = farm.run("logs", job).output
    assert len(output.splitlines()) == 2
    assert output.replace("\n", "").isprintable()


def test_several_jobs_are_told_apart(farm: Farm) -> None:
    jobs = [farm.submit(take) for take in range(2)]
    for job in jobs:
        farm.store.events.add(job, "log", {"message": "hello"})
    lines = farm.run("logs", *jobs).stdout.splitlines()
    assert [line[:8] for line in lines] == [job[:8] for job in jobs]
    assert farm.run("logs", jobs[0], "0000").exit_code == 10
    assert farm.run("logs", "0000").exit_code == 4


def test_jobs_that_are_not_there_are_told_as_json(farm: Farm) -> None:
    job = farm.submit()
    farm.store.events.add(job, "log", {"message": "hello"})
    result = farm.run("logs", job, "0000", "--json")
    assert result.exit_code == 10
    event, errors = map(json.loads, result.stdout.splitlines())
    assert event["job"] == job
    assert [error["exit_code"] for error in errors["errors"]] == [4]


def test_following_ends_with_the_jobs(farm: Farm) -> None:
    jobs = [farm.submit(take) for take in range(2)]

    def work() -> None:
        for _ in jobs:
            time.sleep(0.3)
            record = farm.claim()
            farm.store.events.add(record.id, "log", {"message": "hello"})
            farm.publish(record)

    thread = threading.Thread(target=work)
    thread.start()
    one = farm.run("logs", "-f", jobs[0])
    both = farm.run("logs", "-f", *jobs)
    thread.join()
    assert (one.exit_code, both.exit_code) == (0, 0)
    assert one.stdout.splitlines()[-1].endswith("done        finish (w@host; done)")
    assert both.stdout.count("hello") == 2


def test_a_thousand_events_are_all_read(farm: Farm) -> None:
    job = farm.submit()
    with farm.store.client.pipeline() as pipeline:
        for number in range(1500):
            pipeline.xadd(f"{farm.store.prefix}events:{job}", {"kind": "log", "message": number})
        pipeline.execute()
    lines = farm.run("logs", job).stdout.splitlines()
    assert len(lines) == 1500
    assert lines[-1].endswith(" 1499")
