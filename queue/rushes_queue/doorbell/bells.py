"""The messages that say "there is work", and nothing else.

A message carries the id of a job, and losing one does no harm: the job's record
(``broker.job_records``) is authoritative, any worker can claim it, and the sweep rings again.

They are written here as Celery and kombu write theirs, with only what a worker and Flower read.
So a program that submits need not load Celery, a batch of bells is one round trip, and a waiting
message takes little of the broker's memory; ``tests/queue/doorbell/test_contract.py`` holds it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from rushes.errors import RushesError
from rushes_queue.broker.connection import broker_errors
from rushes_queue.broker.replies import Bell

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

RENDER_TASK: Final = "rushes.render"
MESSAGE_SCHEMA = 1
BELLS = "bell:"  # what the broker's lists of messages start with, behind our own prefix


def ring(client: Redis, prefix: str, bells: Iterable[Bell]) -> bool:
    """Send the messages for these bells; return False when the broker did not take all of them.

    Losing some does no harm: the sweep rings again for waiting jobs.
    """
    bells = tuple(bells)
    if not bells:
        return True
    try:
        with broker_errors(client), client.pipeline(transaction=False) as pipeline:
            for bell in bells:
                pipeline.lpush(f"{prefix}{BELLS}{bell.queue}", make_message(bell))
            pipeline.execute()
    except RushesError as error:
        logger.warning("the doorbell could not be rung: %s", error)
        return False
    return True


def make_message(bell: Bell) -> str:
    """Return a task message in kombu's envelope for Redis.

    Source: celery: docs/internals/protocol.rst (version 2: headers, and args, kwargs, embed);
        kombu: transport/virtual/base.py (Message, Channel.basic_publish)
    """
    body = [[], {"job_id": bell.job, "schema": MESSAGE_SCHEMA}, {}]
    return _compact(
        {
            "body": _compact(body),
            "content-type": "application/json",  # in UTF-8, which need not be said
            # Flower shows the id; each message has its own.
            "headers": {"lang": "py", "task": RENDER_TASK, "id": f"{bell.job}-{token_hex(3)}"},
            "properties": {
                "delivery_tag": token_hex(8),
                "delivery_info": {"exchange": "", "routing_key": bell.queue},
            },
        }
    )


def _compact(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))
