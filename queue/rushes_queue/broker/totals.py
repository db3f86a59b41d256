"""Totals since the farm began, kept in the broker, where they outlive workers and jobs.

The scripts count jobs and attempts that end, and chunks and frames as they are reported; workers
add the time of their chunks.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes_queue.broker.connection import broker_errors

if TYPE_CHECKING:
    from redis import Redis

CHUNK_SECONDS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_SLOWER = "more"
_BUCKET, _SUM = "chunk_seconds ", "chunk_seconds_sum"


@dataclass(frozen=True)
class Totals:
    """All totals; a server that loses its data starts again from zero."""

    jobs: Mapping[str, int]  # that ended, by state
    attempts: Mapping[str, int]  # that ended, by how
    num_chunks: int
    num_frames: int  # that workers made, including those made twice
    chunk_seconds: tuple[int, ...]  # chunks by bucket, the last for those that took longer
    chunk_seconds_sum: float


def add_chunk_seconds(client: Redis, prefix: str, seconds: Iterable[float]) -> None:
    """Count chunks by the time they took.

    Raises: BrokerError, BrokerFullError.
    """
    key = f"{prefix}totals"
    with broker_errors(client), client.pipeline(transaction=False) as pipeline:
        for each in seconds:
            pipeline.hincrby(key, f"{_BUCKET}{_bucket(each)}", 1)
            pipeline.hincrbyfloat(key, _SUM, round(each, 6))
        pipeline.execute()


def read_totals(client: Redis, prefix: str) -> Totals:
    """Return all totals.

    Raises: BrokerError.
    """
    with broker_errors(client):
        texts: Any = client.hgetall(f"{prefix}totals")

    def named(kind: str) -> dict[str, int]:
        return {
            name.removeprefix(kind): int(_number(text))
            for name, text in texts.items()
            if name.startswith(kind)
        }

    by_bucket = named(_BUCKET)
    names = [*map(str, CHUNK_SECONDS_BUCKETS), _SLOWER]
    return Totals(
        jobs=named("jobs "),
        attempts=named("attempts "),
        num_chunks=int(_number(texts.get("chunks", "0"))),
        num_frames=int(_number(texts.get("frames", "0"))),
        chunk_seconds=tuple(by_bucket.get(name, 0) for name in names),
        chunk_seconds_sum=_number(texts.get(_SUM, "0")),
    )


def _number(text: str) -> float:
    """Return a number that only we write; 0 where somebody else did."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _bucket(seconds: float) -> str:
    index = bisect_left(CHUNK_SECONDS_BUCKETS, seconds)
    is_over = index == len(CHUNK_SECONDS_BUCKETS)
    return _SLOWER if is_over else str(CHUNK_SECONDS_BUCKETS[index])
