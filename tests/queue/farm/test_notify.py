"""Notifications: told once and soon, to public addresses only, and no harm when they fail."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from farm.commands import Farm
from farm.documents import document
from farm.hook import Hook
from farm.running import wait_until
from rushes.errors import ConfigError
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.farm.notify import notification, notify
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.local.machine_settings import load_settings
from rushes_queue.settings.model import Settings
from rushes_queue.worker.sweep import sweep


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


@pytest.fixture
def record() -> JobRecord:
    ended: dict[str, Any] = {
        "state": State.DONE,
        "created_ms": 1,
        "updated_ms": 2,
        "finished_ms": 2,
    }
    return replace(new_record(document(), "jobs/x/job.json"), **ended)


def own(*urls: str, **more: Any) -> Settings:
    return Settings(notify=tuple(map(SecretStr, urls)), **more)


def test_a_job_that_is_cancelled_while_it_waits_is_told_of_once(hook: Hook, farm: Farm) -> None:
    links = FarmLinks(own(hook.url), farm.store, farm.storage)
    waiting, again = farm.submit(0), farm.submit(1)
    for job in (waiting, again):
        assert farm.run("cancel", job).exit_code == 0
    farm.store.changes.retry(again)
    for _ in range(2):
        assert sweep(links, worker="w")
        farm.store.client.delete(f"{farm.store.prefix}sweeper")
    wait_until(lambda: bool(hook.requests), "a notification")
    time.sleep(0.2)
    ((_, _, body),) = hook.requests
    assert (body["event"], body["job"]["id"]) == ("job.cancelled", waiting)


def test_an_address_of_the_settings_is_told(hook: Hook, record: JobRecord) -> None:
    assert notify(None, record, own(f"{hook.url}/done?x=1")) == ()
    path, headers, body = hook.requests[0]
    assert path == "/done?x=1"
    assert headers["Content-Type"] == "application/json"
    assert body == json.loads(json.dumps(notification(record)))
    assert body["event"] == "job.done"
    assert body["job"]["id"] == record.id


def test_an_address_of_the_job_may_not_be_private(hook: Hook, record: JobRecord) -> None:
    asked = document(notify=(hook.url,))
    (fault,) = notify(asked, record, Settings())
    assert "private network" in fault
    assert hook.requests == []
    assert notify(asked, record, Settings(allow_private_webhooks=True)) == ()
    assert len(hook.requests) == 1


@pytest.mark.parametrize(
    ("statuses", "num_requests", "is_told"),
    [
        ([204], 1, True),
        ([503, 200], 2, True),
        ([500, 429, 200], 3, True),
        ([500, 500, 500], 3, False),
        ([404], 1, False),
    ],
    ids=str,
)
def test_passing_faults_are_tried_again_a_few_times(
    hook: Hook, record: JobRecord, statuses: list[int], num_requests: int, is_told: bool
) -> None:
    hook.statuses = statuses
    assert (notify(None, record, own(hook.url)) == ()) is is_told
    assert len(hook.requests) == num_requests


def test_redirects_are_not_followed(hook: Hook, record: JobRecord) -> None:
    hook.statuses, hook.location = [302], f"{hook.url}/elsewhere"
    (fault,) = notify(None, record, own(hook.url))
    assert "302" in fault
    assert len(hook.requests) == 1


def test_a_slow_server_is_not_waited_for(hook: Hook, record: JobRecord) -> None:
    hook.delay_seconds = 5
    begin = time.monotonic()
    (fault,) = notify(None, record, own(hook.url), budget_seconds=0.4)
    assert time.monotonic() - begin < 2
    assert "takes too long" in fault or "no answer" in fault


def test_secrets_are_neither_logged_nor_told(
    record: JobRecord, caplog: pytest.LogCaptureFixture
) -> None:
    url = "http://ann:hunter2@127.0.0.1:1/token-abc?key=xyz"
    with caplog.at_level(logging.DEBUG):
        faults = notify(None, record, own(url), budget_seconds=0.5)
    for secret in ("hunter2", "token-abc", "xyz"):
        assert secret not in caplog.text + "".join(faults)
    assert "127.0.0.1:1" in faults[0]


def test_a_password_in_the_address_is_sent(hook: Hook, record: JobRecord) -> None:
    notify(None, record, own(hook.url.replace("://", "://ann:a%40b@")))
    assert hook.requests[0][1]["Authorization"] == "Basic YW5uOmFAYg=="


def test_a_command_gets_the_job_on_its_input(record: JobRecord, tmp_path: Path) -> None:
    target = tmp_path / "told; touch x"  # a shell would do something with this
    program = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    command = (sys.executable, "-c", program, str(target))
    assert notify(None, record, own(notify_command=command)) == ()
    assert json.loads(target.read_text()) == notification(record)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('no \x1b[31m mail')"), r"no \x1b[31m mail"),
        (("/nowhere/at-all",), "No such file"),
        ((sys.executable, "-c", "import time; time.sleep(9)"), "o long"),
    ],
    ids=["fails", "is missing", "hangs"],
)
def test_a_command_that_fails_harms_nobody(
    record: JobRecord, command: tuple[str, ...], fault: str
) -> None:
    begin = time.monotonic()
    faults = notify(None, record, own(notify_command=command), budget_seconds=2.0)
    assert time.monotonic() - begin < 4
    if fault == "o long":
        assert "too long" in faults[0] or "timed out" in faults[0]
    else:
        assert fault in faults[0]


def test_whom_the_record_names_is_told_instead_of_whom_the_document_names(
    hook: Hook, record: JobRecord
) -> None:
    asked = document(notify=(f"{hook.url}/document",))
    renamed = replace(record, notify=(f"{hook.url}/record",))
    assert notify(asked, renamed, Settings(allow_private_webhooks=True)) == ()
    assert notify(asked, replace(record, notify=()), Settings(allow_private_webhooks=True)) == ()
    assert [path for path, *_ in hook.requests] == ["/record"]


def test_all_are_told_at_the_same_time(hook: Hook, record: JobRecord) -> None:
    hook.delay_seconds = 0.4
    begin = time.monotonic()
    asked = document(notify=tuple(f"{hook.url}/{number}" for number in range(8)))
    assert notify(asked, record, Settings(allow_private_webhooks=True)) == ()
    assert time.monotonic() - begin < 2
    assert len(hook.requests) == 8


def test_a_command_comes_from_the_user_never_from_a_project(tmp_path: Path) -> None:
    environment = {"RUSHES_NOTIFY_COMMAND": "mail -s 'job done' ann", "XDG_CONFIG_HOME": "/none"}
    command = ("mail", "-s", "job done", "ann")
    assert load_settings(environment=environment, folder=tmp_path).notify_command == command
    (tmp_path / "rushes.toml").write_text('notify_command = ["rm"]')
    with pytest.raises(ConfigError, match="stranger"):
        load_settings(environment={"XDG_CONFIG_HOME": "/none"}, folder=tmp_path)
