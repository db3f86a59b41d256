"""A farm in which something of everything goes on, and its metrics."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from farm.commands import Farm
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.jobs.record import FailureKind

WORKER = WorkerInfo(
    name="gpu0@desk",
    host="desk",
    pid=7,
    version="0.1.0",
    max_schema=1,
    started_ms=0,
    queues=("tiny.any.normal",),
    gpu="NVIDIA X",
    gpu_class="gpu24",
    status="busy",
    preset="tiny",
)


def metric_values(text: bytes) -> dict[str, float]:
    """Return each sample by its name and labels."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def make_busy(farm: Farm) -> Farm:
    """Give a farm two jobs done, one failed, one running, one queued and one that waits for it."""
    farm.done(0)
    farm.done(1)
    failed = farm.submit(2)
    farm.store.ends.fail(failed, farm.claim().fence, FailureKind.INPUT, "no video")
    farm.submit(3)
    farm.progress(farm.claim(WORKER.name), 3)
    queued = farm.submit(4)
    farm.submit(5, after=(queued,))
    farm.store.workers.heartbeat(WORKER, ttl_ms=60_000)
    farm.store.workers.heartbeat(
        replace(WORKER, name="cpu@x\x1b[31m", gpu="", status="idle"), ttl_ms=60_000
    )
    return farm
