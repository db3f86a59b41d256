"""Doorbells: where they go, what they carry, and that losing one is no fault."""

from __future__ import annotations

import json
import logging

import pytest
from redis import Redis

from rushes_queue.broker.connection import connect
from rushes_queue.broker.replies import Bell
from rushes_queue.doorbell.bells import make_message, ring

JOB = "0123456789abcdef"
HIGH = Bell(JOB, "tiny.any.high")


def test_a_bell_lies_in_the_list_of_its_queue(redis_client: Redis) -> None:
    assert ring(redis_client, "mine:", [HIGH, Bell(JOB, "tiny.any.low")])
    for queue in ("tiny.any.high", "tiny.any.low"):
        (text,) = redis_client.lrange(f"mine:bell:{queue}", 0, -1)
        message = json.loads(text)
        assert message["headers"]["task"] == "rushes.render"
        _, named, _ = json.loads(message["body"])
        assert named == {"job_id": JOB, "schema": 1}


def test_a_bell_takes_little_of_the_brokers_memory() -> None:
    assert len(make_message(HIGH)) < 300


def test_no_two_messages_are_one_to_kombu() -> None:
    messages = [json.loads(make_message(HIGH)) for _ in range(100)]
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 100


def test_without_bells_nothing_is_connected() -> None:
    assert ring(connect("redis://127.0.0.1:1"), "mine:", [])


def test_a_bell_that_cannot_be_rung_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not ring(connect("redis://127.0.0.1:1"), "mine:", [HIGH])
    assert "the doorbell could not be rung" in caplog.text


def test_what_stands_in_the_place_of_a_list_is_no_fault(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_client.set("mine:bell:tiny.any.high", "not a list")
    with caplog.at_level(logging.WARNING):
        assert not ring(redis_client, "mine:", [HIGH, Bell(JOB, "tiny.any.low")])
    assert redis_client.llen("mine:bell:tiny.any.low") == 1
    assert "WRONGTYPE" in caplog.text
