"""Metrics of the farm for Prometheus, read from the broker at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from threading import Thread
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from rushes.errors import RushesError
from rushes_queue.broker.census import Census, take_census
from rushes_queue.broker.live_workers import WorkerStatus
from rushes_queue.broker.totals import CHUNK_SECONDS_BUCKETS, Totals, read_totals
from rushes_queue.jobs.queue_names import split_queue_name

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import Metric

    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.broker.live_workers import LiveWorker


class FarmCollector(Collector):
    """Reads records, workers and totals at each scrape; without a broker only ``rushes_up`` is 0.

    Every process that serves this reports the same metrics, of the whole farm, so scrape only one.
    """

    def __init__(self, store: JobRecords) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Describe nothing in advance, so that nothing is read before the first scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        try:
            census = take_census(self._store)
            workers = self._store.workers.live()
            totals = read_totals(self._store.client, self._store.prefix)
        except RushesError:
            yield GaugeMetricFamily("rushes_up", "Whether the broker answers.", 0)
            return
        yield GaugeMetricFamily("rushes_up", "Whether the broker answers.", 1)
        yield from _jobs(census)
        yield from _workers(workers)
        yield from _totals(totals)


def metrics_text(store: JobRecords) -> bytes:
    """Return the metrics in Prometheus' text format."""
    return generate_latest(_registry(store))


def serve_metrics(
    store: JobRecords, port: int, host: str = "127.0.0.1"
) -> tuple[WSGIServer, Thread]:
    """Serve the metrics over HTTP in a thread; returns the server, to be shut down, and the thread.

    Raises: OSError when the port is taken.
    """
    return start_http_server(port, host, _registry(store))


def _registry(store: JobRecords) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FarmCollector(store))
    return registry


def _jobs(census: Census) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("rushes_jobs", "Jobs by state.", labels=["state"])
    for state, number in census.states.items():
        jobs.add_metric([state], number)
    yield jobs
    labels = ["preset", "gpu_class", "priority"]
    depths = GaugeMetricFamily("rushes_queue_depth", "Jobs that can be claimed.", labels=labels)
    for queue, depth in census.depths.items():
        depths.add_metric(list(split_queue_name(queue)), depth)
    yield depths
    yield GaugeMetricFamily(
        "rushes_jobs_aside",
        "Queued jobs that wait for a time or for other jobs.",
        census.num_parked,
    )
    yield GaugeMetricFamily(
        "rushes_oldest_waiting_seconds",
        "Time since the submission of the oldest job that waits.",
        census.waiting_seconds or 0,
    )
    yield GaugeMetricFamily("rushes_frames_per_second", "Sum over all running jobs.", census.fps)


def _workers(workers: tuple[LiveWorker, ...]) -> Iterator[Metric]:
    counts = Counter(worker.info.status for worker in workers)
    family = GaugeMetricFamily("rushes_workers", "Live workers by status.", labels=["status"])
    for status in get_args(WorkerStatus):
        family.add_metric([status], counts[status])
    yield family


def _totals(totals: Totals) -> Iterator[Metric]:
    jobs = CounterMetricFamily("rushes_jobs_ended", "Jobs that ended.", labels=["state"])
    for state, number in sorted(totals.jobs.items()):
        jobs.add_metric([state], number)
    yield jobs
    attempts = CounterMetricFamily(
        "rushes_attempts_ended",
        "Attempts that ended: finish, fail, release, settle; lose and reap are lost workers.",
        labels=["how"],
    )
    for how, number in sorted(totals.attempts.items()):
        attempts.add_metric([how], number)
    yield attempts
    losses = totals.attempts.get("lose", 0) + totals.attempts.get("reap", 0)
    yield CounterMetricFamily("rushes_losses", "Attempts whose worker was lost.", losses)
    yield CounterMetricFamily("rushes_chunks_rendered", "Chunks made.", totals.num_chunks)
    yield CounterMetricFamily("rushes_frames_rendered", "Frames made.", totals.num_frames)
    buckets, so_far = [], 0
    for bound, number in zip(
        [*map(str, CHUNK_SECONDS_BUCKETS), "+Inf"], totals.chunk_seconds, strict=True
    ):
        so_far += number
        buckets.append((bound, so_far))
    yield HistogramMetricFamily(
        "rushes_chunk_seconds", "Time taken by a chunk.", buckets, totals.chunk_seconds_sum
    )
