"""A running job is looked at through the broker."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from redis import Redis

from rushes_queue.broker.preview import (
    LOOK_SECONDS,
    ask,
    is_wanted,
    read_frame,
    store_frame,
    to_jpeg,
)

JOB, PREFIX = "0123456789abcdef", "rushes:"


def test_a_frame_is_wanted_for_a_while_after_a_look(redis_client: Redis) -> None:
    assert not is_wanted(redis_client, PREFIX, JOB)
    ask(redis_client, PREFIX, JOB)
    assert is_wanted(redis_client, PREFIX, JOB)
    assert 0 < redis_client.ttl(f"{PREFIX}look:{JOB}") <= LOOK_SECONDS


def test_a_frame_is_read_as_it_was_stored_and_does_not_stay(redis_client: Redis) -> None:
    assert read_frame(redis_client, PREFIX, JOB) is None
    jpeg = to_jpeg(np.zeros((32, 48, 3), np.uint8))
    store_frame(redis_client, PREFIX, JOB, jpeg)
    assert read_frame(redis_client, PREFIX, JOB) == jpeg
    assert redis_client.ttl(f"{PREFIX}frame:{JOB}") > 0


def test_a_large_frame_is_made_smaller_with_its_shape_kept() -> None:
    picture = Image.open(io.BytesIO(to_jpeg(np.full((1088, 1920, 3), 128, np.uint8))))
    assert picture.size == (960, 544)
    assert picture.format == "JPEG"
