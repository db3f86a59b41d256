"""The Celery application: what a worker reads, and how long it holds a message."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from rushes_queue.doorbell.app import broker_url_of, celery_settings
from rushes_queue.settings.model import Settings


def settings(url: str) -> Settings:
    return Settings(broker_url=SecretStr(url), key_prefix="mine:")


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("redis://ann:secret@desk:7000/1", "redis://ann:secret@desk:7000/1"),
        ("rediss://desk", "rediss://desk?ssl_cert_reqs=required"),
        ("rediss://desk/1?ssl_cert_reqs=none", "rediss://desk/1?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("unix://:secret@/run/r.sock?db=2", "redis+socket://:secret@/run/r.sock?virtual_host=2"),
    ],
)
def test_a_socket_is_spelled_as_kombu_does(url: str, spelling: str) -> None:
    assert broker_url_of(url) == spelling


def test_nothing_but_json_is_read_and_no_result_is_kept() -> None:
    found = celery_settings(settings("redis://desk"))
    assert found["accept_content"] == ["json"]
    assert (found["result_backend"], found["task_ignore_result"]) == (None, True)
    assert found["broker_transport_options"]["global_keyprefix"] == "mine:bell:"


def test_a_worker_holds_one_message_until_its_job_ends() -> None:
    found = celery_settings(settings("redis://desk"))
    assert found["task_acks_late"] is True
    assert (found["worker_prefetch_multiplier"], found["worker_concurrency"]) == (1, 1)
    assert found["task_reject_on_worker_lost"] is False
