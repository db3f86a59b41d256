"""Names of queues, and which of them a GPU serves in which order."""

from __future__ import annotations

from typing import Any

import pytest

from rushes_queue.errors import JobError
from rushes_queue.jobs.queue_names import (
    GPU_CLASSES,
    PRIORITIES,
    GpuClass,
    queue_name,
    served_queues,
    split_queue_name,
)


@pytest.mark.parametrize("preset", ["tiny", "streamdiffusionv2-1.3b", "a.b", "A_0", "a" * 64])
@pytest.mark.parametrize("gpu_class", GPU_CLASSES)
@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_name_can_be_taken_apart_again(preset: str, gpu_class: Any, priority: Any) -> None:
    name = queue_name(preset, gpu_class, priority)
    assert split_queue_name(name) == (preset, gpu_class, priority)


@pytest.mark.parametrize(
    ("preset", "gpu_class", "priority"),
    [
        ("", "any", "normal"),
        (".tiny", "any", "normal"),
        ("a b", "any", "normal"),
        ("a\n", "any", "normal"),
        ("a" * 65, "any", "normal"),
        ("tiny", "gpu32", "normal"),
        ("tiny", "any", "urgent"),
        ("tiny", "any", "normal\n"),
    ],
)
def test_a_part_that_is_not_allowed_is_refused(preset: str, gpu_class: Any, priority: Any) -> None:
    with pytest.raises(JobError, match="is not a queue; write preset"):
        queue_name(preset, gpu_class, priority)


@pytest.mark.parametrize("name", ["", "tiny", "tiny.any", "any.normal", "tiny.any.normal.x"])
def test_what_is_not_a_name_is_refused(name: str) -> None:
    with pytest.raises(JobError, match="is not a queue"):
        split_queue_name(name)


def test_urgent_jobs_come_first_then_the_large_ones_then_the_presets() -> None:
    assert served_queues(["tiny", "pocket"], "gpu24") == [
        f"{preset}.{gpu_class}.{priority}"
        for priority in ("high", "normal", "low")
        for gpu_class in ("gpu24", "gpu16", "any")
        for preset in ("tiny", "pocket")
    ]


@pytest.mark.parametrize("gpu_class", GPU_CLASSES)
def test_a_gpu_serves_what_needs_no_larger_one(gpu_class: GpuClass) -> None:
    served = {split_queue_name(name)[1] for name in served_queues(iter(["tiny"]), gpu_class)}
    assert served == set(GPU_CLASSES[: GPU_CLASSES.index(gpu_class) + 1])


def test_without_a_preset_nothing_is_served() -> None:
    assert served_queues([], "gpu80") == []
