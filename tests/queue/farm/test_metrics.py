"""The farm in numbers for Prometheus."""

from __future__ import annotations

import urllib.request
from dataclasses import replace

import pytest

from farm.busy import WORKER, make_busy, metric_values
from farm.commands import Farm
from rushes_queue.broker.connection import connect
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import WorkerStatus
from rushes_queue.broker.totals import add_chunk_seconds
from rushes_queue.farm.metrics import metrics_text, serve_metrics
from rushes_queue.jobs.queue_names import PRIORITIES


@pytest.fixture
def busy_farm(farm: Farm) -> Farm:
    return make_busy(farm)


def test_without_a_broker_only_its_absence_is_told() -> None:
    with connect("redis://127.0.0.1:1/0") as client:
        assert metric_values(metrics_text(JobRecords(client))) == {"rushes_up": 0}


def test_metrics_are_served_over_http(busy_farm: Farm) -> None:
    server, thread = serve_metrics(busy_farm.store, 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            assert metric_values(answer.read())["rushes_jobs done"] == 2
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_every_state_and_status_has_a_number_from_the_start(farm: Farm) -> None:
    found = metric_values(metrics_text(farm.store))
    for state in ("queued", "running", "paused", "done", "failed", "cancelled", "quarantined"):
        assert found[f"rushes_jobs {state}"] == 0
    for status in ("loading", "idle", "busy", "draining", "unhealthy"):
        assert found[f"rushes_workers {status}"] == 0
    assert found["rushes_oldest_waiting_seconds"] == 0


def test_buckets_hold_all_that_was_faster(farm: Farm) -> None:
    add_chunk_seconds(farm.store.client, farm.store.prefix, [0.01, 0.07, 0.07, 500.0])
    found = metric_values(metrics_text(farm.store))
    counts = [found[f"rushes_chunk_seconds_bucket {bound}"] for bound in ("0.05", "0.1", "120.0")]
    assert counts == [1, 3, 3]
    assert found["rushes_chunk_seconds_bucket +Inf"] == 4


def test_lost_workers_are_counted_however_they_were_noticed(farm: Farm) -> None:
    job = farm.submit()
    farm.store.ends.lose(job, farm.claim().fence, "gone")
    found = metric_values(metrics_text(farm.store))
    assert found["rushes_losses_total"] == found["rushes_attempts_ended_total lose"] == 1


def test_queues_and_workers_are_told_apart(farm: Farm) -> None:
    for take, priority in enumerate(PRIORITIES):
        farm.submit(take, priority=priority, gpu_class="gpu24")
    statuses: tuple[WorkerStatus, ...] = ("idle", "idle", "draining")
    for number, status in enumerate(statuses):
        worker = replace(WORKER, name=f"w{number}", status=status)
        farm.store.workers.heartbeat(worker, ttl_ms=60_000)
    found = metric_values(metrics_text(farm.store))
    for priority in PRIORITIES:
        assert found[f"rushes_queue_depth gpu24 tiny {priority}"] == 1
    assert (found["rushes_workers idle"], found["rushes_workers draining"]) == (2, 1)


def test_a_port_that_is_taken_is_an_error(farm: Farm) -> None:
    server, thread = serve_metrics(farm.store, 0)
    try:
        with pytest.raises(OSError, match="in use"):
            serve_metrics(farm.store, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
