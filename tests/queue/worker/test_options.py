"""What a worker serves, and how it is called."""

from __future__ import annotations

import os
import socket

from rushes_queue.worker.gpus import Gpu
from rushes_queue.worker.options import WorkerOptions, worker_name, worker_place

CARD = Gpu(1, "GPU-b", "RTX 4090", 24 * 2**30)
HOST = socket.gethostname()


def test_queues_are_those_of_the_card_and_of_the_presets() -> None:
    options = WorkerOptions("w", ("tiny", "pocket"), gpu=CARD)
    queues = options.queues()
    assert queues[:3] == ("tiny.gpu24.high", "pocket.gpu24.high", "tiny.gpu16.high")
    assert len(queues) == 2 * 3 * 3
    assert not [queue for queue in queues if "gpu48" in queue]


def test_without_a_card_only_jobs_for_any_are_served() -> None:
    assert WorkerOptions("w", ("tiny",)).queues() == (
        "tiny.any.high",
        "tiny.any.normal",
        "tiny.any.low",
    )


def test_what_is_loaded_comes_first_among_equals() -> None:
    options = WorkerOptions("w", ("tiny", "pocket", "other"))
    assert options.queues(held="pocket")[:4] == (
        *("pocket.any.high", "tiny.any.high", "other.any.high"),
        "pocket.any.normal",
    )
    assert options.queues(held="unknown") == options.queues()


def test_a_worker_is_known_by_its_place_if_it_has_one() -> None:
    assert WorkerOptions("w", ()).known_as == "w"
    assert WorkerOptions("w", (), place="desk.gpu1").known_as == "desk.gpu1"


def test_a_place_outlives_the_worker_and_a_name_does_not() -> None:
    assert worker_place(CARD, "worker-0") == f"{HOST}.gpu1"
    assert worker_place(None, "worker-0") == f"{HOST}.worker-0"
    assert worker_place(None, None) == ""
    assert worker_name(CARD) == f"{HOST}.gpu1.{os.getpid()}"
    assert worker_name(None) == f"{HOST}.cpu.{os.getpid()}"
